# ./dev bench, install.

cmd_install() {
  local prefix=${1:-}
  [ -n "$prefix" ] || fail "install: where to? ./dev install PREFIX"
  build_quiet release | tail -1
  cmake --install build/release --prefix "$prefix" >/tmp/varve-install.$$.log || { tail /tmp/varve-install.$$.log >&2; fail "install failed"; }
  local name
  for name in daos dmg; do ln -sfn varve "$prefix/bin/$name"; done
  python3 tools/generate_manuals.py "$prefix/bin" "$prefix" || fail "install: the manual pages were not made"
  say "install: $(grep -c -e '-- Installing\|-- Up-to-date' /tmp/varve-install.$$.log) files under $prefix; programs varve, varved (and daos, dmg) in $prefix/bin"
}

cmd_bench() { # [store|reclaim|rpc|io|dfs|threads ...] [--json FILE] [--quick]
  local which=() json= extra=() program start=$SECONDS
  while [ $# -gt 0 ]; do
    case "$1" in
      store|reclaim|rpc|io|dfs|threads) which+=("$1"); shift ;;
      --json) json=$2; shift 2 ;;
      *) extra+=("$1"); shift ;;
    esac
  done
  [ ${#which[@]} -gt 0 ] || which=(store rpc io dfs)
  build_quiet release | tail -1
  local parts=() one count=0
  for one in "${which[@]}"; do
    program=$(find build/release -name "varve-bench-$one" -type f -perm -u+x | head -1)
    [ -n "$program" ] || fail "bench: there is no program varve-bench-$one"
    say "bench: $one"
    "$program" --json "build/bench-$one.json" "${extra[@]}"
    parts+=("build/bench-$one.json")
  done
  count=$(python3 - "${json:-}" "${parts[@]}" <<'PYTHON'
import json, sys
rows = []
for part in sys.argv[2:]:
    rows += json.load(open(part))
if sys.argv[1]:
    json.dump(rows, open(sys.argv[1], "w"), indent=1)
print(len(rows))
PYTHON
)
  say "bench: $count rows of ${which[*]} in $((SECONDS - start)) s${json:+, written to $json}"
}
