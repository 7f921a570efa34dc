# ./dev sim planted: the simulation is shown to see. Each bug is planted alone, by a build flag; a simulation must fail.

planted_bugs=(flush_removed ack_before_flush checksum_not_verified replay_torn last_block_twice acks_out_of_order
  rewrite_over_reader)

# planted_sees PROGRAM SEEDS: true if the program fails, leaving its last lines in $planted_words.
planted_sees() {
  local log=build/planted/$planted_bug-$1.log
  if "build/planted/simulation/$1" --seeds "$2" --seed 0 >"$log" 2>&1; then return 1; fi
  planted_words=$(grep -m1 -i 'seed' "$log" || tail -1 "$log")
  return 0
}

cmd_sim_planted() { # [--seeds N] [bug...]
  local seeds=500 wanted=() start=$SECONDS planted_bug planted_words program seen count=0
  while [ $# -gt 0 ]; do
    case "$1" in
      --seeds) seeds=$2; shift 2 ;;
      *) wanted+=("$1"); shift ;;
    esac
  done
  [ ${#wanted[@]} -gt 0 ] || wanted=("${planted_bugs[@]}")
  setup_quiet
  for planted_bug in "${wanted[@]}"; do
    cmake --preset release -B build/planted -DVARVE_PLANT="$planted_bug" >/dev/null || fail "sim: cmake failed"
    ninja -C build/planted varve-simulate varve-simulate-store >"build/planted-$planted_bug.log" 2>&1 ||
      { tail -20 "build/planted-$planted_bug.log" >&2; fail "sim: the build with $planted_bug failed"; }
    seen=
    for program in varve-simulate-store varve-simulate; do
      if planted_sees "$program" "$seeds"; then
        seen=$program
        say "  $planted_bug: seen by $program: ${planted_words:0:150}"
        break
      fi
    done
    [ -n "$seen" ] || fail "sim: nobody sees '$planted_bug' within $seeds seeds"
    count=$((count + 1))
  done
  say "sim: $count planted bugs, each seen within $seeds seeds ($((SECONDS - start)) s)"
}
