# ./dev demo: a real tree goes in, the server is killed in mid-write, every acknowledged byte comes out.

demo_clean_up() { # whatever happened: no process, no file stays
  local status=$?
  trap - EXIT
  [ -z "${demo_writer:-}" ] || kill -9 "$demo_writer" 2>/dev/null || true
  [ ! -s "$demo_scratch/server.pid" ] || kill -9 "$(cat "$demo_scratch/server.pid")" 2>/dev/null || true
  [ $status -eq 0 ] || { say "demo: failed; the end of the server's log:" >&2; tail -5 "$demo_scratch/server.log" >&2 2>/dev/null || true; }
  if [ $status -ne 0 ] && [ -n "${VARVE_DEMO_KEEP:-}" ]; then
    say "demo: kept $demo_scratch" >&2
  else
    chmod -R u+rwX "$demo_scratch" 2>/dev/null || true
    rm -rf "$demo_scratch"
  fi
  exit $status
}

demo_seconds() { date +%s.%N; }
demo_since() { awk -v from="$1" -v to="$(demo_seconds)" 'BEGIN { printf "%.2f", to - from }'; }

demo_start_server() {
  "$demo_varve" server start --pid-file "$demo_scratch/server.pid" --directory "$demo_scratch/data" \
    --run-directory "$demo_scratch/run" --port "$demo_port" --targets 2 --device-bytes 2GiB --log-file "$demo_scratch/server.log" ||
    fail "demo: the server does not start"
}

demo_wait() { # demo_wait SECONDS WHAT COMMAND...: until the command succeeds
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "demo: waited in vain for $what"
    sleep 0.05
  done
}

demo_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"; }
demo_journal_longer_than() { [ "$(stat -c %s "$demo_journal" 2>/dev/null || echo 0)" -gt "$1" ]; }

demo_copy_in() { # demo_copy_in NAME SOURCE
  python3 tools/demo/compare.py record "$demo_scratch/$1.json" "$2" >/dev/null
  printf '  %-36s ' "$2"
  "$demo_varve" fs cp --quiet "$2" "varve://demo/files/$1" || fail "demo: copying $2 in failed"
}

demo_copy_out() { # demo_copy_out NAME SOURCE: out, and compared with what was recorded before it went in
  printf '  %-36s ' "$2"
  "$demo_varve" fs cp --quiet "varve://demo/files/$1" "$demo_scratch/out/$1" || fail "demo: copying $1 out failed"
  local counts
  counts=$(python3 tools/demo/compare.py check "$demo_scratch/$1.json" "$demo_scratch/out/$1") ||
    fail "demo: what came out is not what went in"
  demo_files=$((demo_files + ${counts% *})) demo_bytes=$((demo_bytes + ${counts#* }))
}

demo_kill_in_mid_write() {
  say "writer: files, objects and key-values, every acknowledgement noted; over TCP"
  demo_journal=$demo_scratch/journal
  VARVE_ADDRESS=tcp://127.0.0.1:$demo_port VARVE_TRANSPORT=tcp VARVE_TIMEOUT_MS=60000 \
    "$demo_writer_program" run demo files "$demo_journal" --threads 4 --bytes 400000000 >"$demo_scratch/writer.log" 2>&1 &
  demo_writer=$!
  demo_wait 30 "the writer's first acknowledgements ($(cat "$demo_scratch/writer.log" 2>/dev/null))" demo_journal_longer_than 100000
  local pid in_flight before
  pid=$(cat "$demo_scratch/server.pid")
  kill -9 "$pid"
  demo_wait 10 "process $pid to be gone" demo_gone "$pid"
  in_flight=$("$demo_writer_program" pending - - "$demo_journal")
  kill -0 "$demo_writer" 2>/dev/null || fail "demo: the writer ended before the server was killed: $(cat "$demo_scratch/writer.log")"
  [ "$in_flight" -gt 0 ] || fail "demo: no write was in flight when the server was killed"
  say "killed: server process $pid, with kill -9; $in_flight writes were in flight"
  before=$(stat -c %s "$demo_journal")
  local start; start=$(demo_seconds)
  demo_start_server
  "$demo_varve" fs stat varve://demo/files/big >/dev/null || fail "demo: the restarted server does not answer"
  demo_recovery=$(demo_since "$start")
  say "restarted: it answers from its files after $demo_recovery s"
  demo_wait 60 "the writer to go on by itself" demo_journal_longer_than "$before"
  sleep 1
  kill -TERM "$demo_writer"
  wait "$demo_writer" || fail "demo: the writer found something wrong: $(tail -3 "$demo_scratch/writer.log")"
  demo_writer=
  say "writer: went on by itself; $(tail -1 "$demo_scratch/writer.log")"
  say "checking every acknowledged byte in a new process"
  "$demo_writer_program" verify demo files "$demo_journal" | sed 's/^/  /' || fail "demo: acknowledged writes are lost or torn"
}

demo_run() {
  demo_scratch=$(mktemp -d "${TMPDIR:-/tmp}/varve-demo.XXXXXX")
  trap demo_clean_up EXIT
  trap 'exit 130' INT TERM HUP
  local free; free=$(df --output=avail -B1 "$demo_scratch" | tail -1)
  [ "$free" -gt $((8 << 30)) ] || fail "demo: $demo_scratch has $((free >> 20)) MiB free, 8192 MiB are needed; set TMPDIR to another folder"
  demo_varve=$(find "$root/build/release" -name varve -type f -perm -u+x | head -1)
  demo_writer_program=$(find "$root/build/release" -name process_writer -type f -perm -u+x | head -1)
  demo_port=$(PYTHONPATH=tests/process python3 -c 'import harness; print(harness.free_port())')
  export VARVE_RUN_DIR=$demo_scratch/run VARVE_ADDRESS=local://$demo_scratch/run/system.sock
  unset VARVE_TRANSPORT
  mkdir "$demo_scratch/out"
  say "preparing a file of 1.02 GiB and a tree of odd names, modes, sizes and links in $demo_scratch"
  python3 tools/demo/make_input.py "$demo_scratch" 1100000001
  demo_start_server
  "$demo_varve" pool create demo --size 80% | sed 's/^/  /'
  "$demo_varve" container create demo files --type POSIX | sed 's/^/  /'
  say "copying in, over the same-host path"
  local names=(include alternatives odd big) name
  declare -A sources=([include]=/usr/include [alternatives]=/etc/alternatives [odd]=$demo_scratch/odd [big]=$demo_scratch/big)
  for name in "${names[@]}"; do demo_copy_in "$name" "${sources[$name]}"; done
  demo_kill_in_mid_write
  say "copying out, and comparing names, sizes, modes, times, symlinks and SHA-256"
  for name in "${names[@]}"; do demo_copy_out "$name" "${sources[$name]}"; done
  [ "$demo_files" -ge 5000 ] || fail "demo: only $demo_files files were there to copy; at least 5,000 are wanted (is /usr/include empty?)"
  "$demo_varve" server stop --pid-file "$demo_scratch/server.pid" >/dev/null
}

cmd_demo() {
  local start=$SECONDS
  say "demo: building"
  build_quiet release varve varved process_writer 2>&1 | tail -1
  (demo_files=0 demo_bytes=0; demo_run
   say "demo: done in $((SECONDS - start)) s, build included"
   say "demo: $demo_files files, $demo_bytes bytes, killed in mid-write, recovered in $demo_recovery s, all verified")
}
