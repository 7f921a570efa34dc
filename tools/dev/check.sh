# ./dev tidy, fix, fuzz, sim, test: what shows that the code is right.

cmd_tidy() { # --quick leaves out the headers' own compilation
  local headers=--headers
  [ "${1:-}" = --quick ] && headers=
  command -v clang++-16 >/dev/null || headers=
  python3 tools/tidy/tidy.py $headers
}

cmd_fix() {
  setup_quiet
  git ls-files 'src/*.cc' 'src/*.h' 'simulation/*.cc' 'simulation/*.h' 'bench/*.cc' 'bench/*.h' 'tests/*.cc' 'tests/*.h' | xargs clang-format-16 -i
  say "fix: formatted $(git ls-files 'src/*.cc' 'src/*.h' 'simulation/*.cc' 'simulation/*.h' 'bench/*.cc' 'bench/*.h' | wc -l) files"
}

cmd_sim() { # [store | planted] [--seeds N] [--seed S]
  local program=varve-simulate
  [ "${1:-}" != planted ] || { shift; cmd_sim_planted "$@"; return; }
  case "${1:-}" in store) program=varve-simulate-store; shift ;; esac
  build_quiet release "$program" >/dev/null
  "$(find build/release -name "$program" -type f -perm -u+x | head -1)" "$@"
}

cmd_fuzz() { # [target | store] [--seconds N]
  local seconds=20 wanted=
  while [ $# -gt 0 ]; do
    case "$1" in
      --seconds) seconds=$2; shift 2 ;;
      *) wanted=$1; shift ;;
    esac
  done
  build_quiet fuzz >/dev/null
  local target count=0 corpus
  for target in $(find build/fuzz -name '*_fuzz' -type f -perm -u+x | sort); do
    local name=${target##*/}
    # What decodes a device, whatever folder it lies in.
    local subject=$name
    case "$name" in log_fuzz|superblock_fuzz|heap_page_fuzz|inspect_fuzz) subject=store_$name ;; esac
    [ -z "$wanted" ] || [[ $subject == *$wanted* ]] || continue
    corpus=build/fuzz/corpus/$name; mkdir -p "$corpus"
    say "fuzz: $name for $seconds s"
    "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -print_final_stats=0 -artifact_prefix="build/fuzz/$name-" "$corpus" \
      >"build/fuzz/$name.log" 2>&1 || { tail -40 "build/fuzz/$name.log" >&2; fail "fuzz: $name found an input; it lies beside build/fuzz/$name.log"; }
    count=$((count + 1))
  done
  [ $count -gt 0 ] || fail "fuzz: no target matches '$wanted'"
  say "fuzz: $count targets, $seconds s each, nothing found"
}

cmd_golden() { # after a change of the format, with its version
  build_quiet release varve-golden >/dev/null
  build/release/tests/golden/varve-golden tests/golden
}

run_ctest() { # run_ctest PRESET [ctest arguments]
  local preset=$1; shift
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error "$@"
}

cmd_test() { # [all | filter]
  local what=${1:-} start=$SECONDS
  if [ -n "$what" ] && [ "$what" != all ]; then
    build_quiet release >/dev/null
    run_ctest release -R "$what"
    say "test: everything that matches '$what' passed ($((SECONDS - start)) s)"
    return
  fi
  say "test: building release"
  build_quiet release | tail -1
  say "test: release, unit, model, simulation and real-process tests ($((SECONDS - start)) s in)"
  VARVE_SEEDS_FACTOR=$([ "$what" = all ] && echo 10 || echo 1) run_ctest release
  say "test: building the subset for the address and undefined sanitizers ($((SECONDS - start)) s in)"
  build_quiet asan | tail -1
  VARVE_SEEDS=40 run_ctest asan -LE "heavy|process" -E "interface"
  if [ "$what" = all ]; then
    say "test: thread sanitizer ($((SECONDS - start)) s in)"
    build_quiet tsan | tail -1
    VARVE_SEEDS=20 run_ctest tsan -LE "heavy|process" -E "interface"
    say "test: gcc ($((SECONDS - start)) s in)"
    build_quiet gcc | tail -1
    VARVE_SEEDS=100 run_ctest gcc -LE "heavy|process"
  fi
  [ "$what" != all ] || cmd_sim_planted
  cmd_tidy --quick
  say "test: all passed in $((SECONDS - start)) s"
}
