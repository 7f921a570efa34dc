#!/usr/bin/env bash
# fio's own dfs engine, unmodified, from Debian's source package, built against what ./dev install puts down:
# writes and verifies with crc32c, as processes and as threads; then kill -9 of the server, restart, and a new
# process verifies everything again.
#
#   tests/fio_dfs.sh [--quick] [--keep] [--installed]
#
# --quick: 1/16 of the bytes; --keep: leaves the server's files; --installed: build/fio/prefix is up to date.
#
# VARVE_TRANSPORT=tcp|local chooses the way (default tcp). FIO_SCRATCH: where the server's files go.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
quick=0 keep=0 installed=0
for option in "$@"; do
  case "$option" in
    --quick) quick=1 ;;
    --keep) keep=1 ;;
    --installed) installed=1 ;;
    *) echo "fio: unknown option '$option'; there are --quick, --keep and --installed" >&2; exit 2 ;;
  esac
done
fail() { echo "fio: FAILED: $*" >&2; exit 1; }
export VARVE_TRANSPORT=${VARVE_TRANSPORT:-tcp}

build=$root/build/fio
prefix=$build/prefix
mkdir -p "$build"
scratch=$(mktemp -d "${FIO_SCRATCH:-$build}/run.XXXXXX")
server=
finish() {
  [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
  [ "$keep" = 1 ] || rm -rf "$scratch"
}
trap finish EXIT

fetch() { # fio's source, through the machine's own apt with a source list of our own
  [ -f "$build/source/engines/dfs.c" ] && return 0
  command -v dpkg-source >/dev/null || fail "dpkg-source is missing: apt-get install dpkg-dev"
  local apt=$build/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} bookworm main" >"$apt/sources.list"
  local options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User= -o Debug::NoLocking=1)
  apt-get "${options[@]}" -qq update || fail "apt-get update; is the network there?"
  (cd "$build" && apt-get "${options[@]}" -qq source --download-only fio) || fail "apt-get source fio"
  rm -rf "$build/source"
  dpkg-source -x "$build"/fio_*.dsc "$build/source" >"$build/unpack.log" 2>&1 || fail "unpacking; see $build/unpack.log"
}

compile() {
  [ "$installed" = 1 ] || ./dev install "$prefix" >"$build/install.log" 2>&1 || { tail -20 "$build/install.log" >&2; fail "./dev install"; }
  if [ -x "$build/source/fio" ] &&
    [ -z "$(find "$prefix/include" -name '*.h' -newer "$build/source/fio" -print -quit)" ]; then
    return 0
  fi
  (cd "$build/source" &&
    CFLAGS="-I$prefix/include" LDFLAGS="-L$prefix/lib -Wl,-rpath,$prefix/lib" \
      ./configure --disable-numa --disable-native >"$build/configure.log" 2>&1 &&
    make -j2 fio >"$build/make.log" 2>&1) || fail "building; see $build/configure.log and $build/make.log"
  grep -q '(dfs) Engine *yes' "$build/configure.log" || fail "configure found no libdfs; see $build/configure.log"
}

start_server() {
  "$prefix/bin/varved" --directory "$scratch/devices" --run-directory "$scratch/sockets" --port "$port" \
    --targets 2 --device-bytes "$device" >>"$scratch/varved.log" 2>&1 &
  server=$!
  disown "$server"  # the shell need not tell that we kill it
  local i
  for ((i = 0; i < 600; i++)); do
    "$prefix/bin/varve" system query >/dev/null 2>&1 && return 0
    kill -0 "$server" 2>/dev/null || fail "varved ended: $(tail -3 "$scratch/varved.log")"
    sleep 0.1
  done
  fail "varved does not answer after 60 s: $(tail -3 "$scratch/varved.log")"
}

runs=0
run() { # run NAME MODE(process|thread) FIO-OPTIONS...: four jobs, verified
  local name=$1 mode=$2 threads=()
  shift 2
  [ "$mode" = process ] || threads=(--thread)
  local out=$scratch/run$runs.json
  timeout 1800 "$build/source/fio" --ioengine=dfs --pool=fio --cont=files --numjobs=4 --name="$name" \
    --verify=crc32c --verify_state_save=0 --verify_fatal=1 --group_reporting --output-format=json --output="$out" \
    "${threads[@]}" "$@" >"$scratch/run$runs.log" 2>&1 ||
    { tail -20 "$scratch/run$runs.log" "$out" >&2; fail "$name ($mode) $*"; }
  python3 - "$out" "$name" "$mode" "$*" <<'PYTHON' >>"$scratch/bytes" || fail "$name ($mode): see $out"
import json, sys
text = open(sys.argv[1]).read()
job = json.loads(text[text.index("{"):])["jobs"][0]
moved = job["read"]["io_bytes"] + job["write"]["io_bytes"]
if job["error"] or moved == 0:
    sys.exit(f"error {job['error']}, {moved} bytes")
print(moved)
sys.stderr.write("fio: %-10s %-7s %-58s write %7.0f/s %6.0f MB/s   read %7.0f/s %6.0f MB/s\n" % (
    sys.argv[2], sys.argv[3], sys.argv[4], job["write"]["iops"], job["write"]["bw_bytes"] / 1e6,
    job["read"]["iops"], job["read"]["bw_bytes"] / 1e6))
PYTHON
  runs=$((runs + 1))
}
size() { echo "$(($1 / (quick ? 16 : 1)))k"; } # KiB of each job's file

fetch
compile
port=$((21000 + $$ % 10000))
device=16GiB
[ "$quick" = 0 ] || device=2GiB
export VARVE_ADDRESS=tcp://127.0.0.1:$port
[ "$VARVE_TRANSPORT" = tcp ] || export VARVE_ADDRESS=local://$scratch/sockets/system.sock
start_server
"$prefix/bin/varve" pool create --size 95% fio >"$scratch/pool.log" || fail "pool create"
"$prefix/bin/varve" container create --type POSIX fio files >>"$scratch/pool.log" || fail "container create"

M=1024
run seq1m     process --rw=write     --bs=1m   --iodepth=4  --size="$(size $((384 * M)))"
run seq64k    thread  --rw=write     --bs=64k  --iodepth=8  --size="$(size $((256 * M)))"
run seq4k     process --rw=write     --bs=4k   --iodepth=1  --size="$(size $((16 * M)))"
run rand4k    process --rw=randwrite --bs=4k   --iodepth=32 --size="$(size $((64 * M)))"
run rand4kt   thread  --rw=randwrite --bs=4k   --iodepth=16 --size="$(size $((64 * M)))" --object_class=S1
run rand16k   thread  --rw=randwrite --bs=16k  --iodepth=16 --size="$(size $((128 * M)))" --chunk_size=262144
run rand128k  process --rw=randwrite --bs=128k --iodepth=8  --size="$(size $((256 * M)))"
run rand1m    thread  --rw=randwrite --bs=1m   --iodepth=16 --size="$(size $((256 * M)))" --chunk_size=4194304
run seq1m     process --rw=randread  --bs=1m   --iodepth=8  --size="$(size $((384 * M)))"
run rand4k    thread  --rw=randread  --bs=4k   --iodepth=32 --size="$(size $((64 * M)))"
run mixed     process --rw=randrw    --bs=32k  --iodepth=16 --size="$(size $((96 * M)))"

kill -9 "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
start_server
echo "fio: server killed and started again; verifying with new processes" >&2
run seq1m     process --rw=read     --bs=1m   --iodepth=4  --size="$(size $((384 * M)))"
run seq64k    thread  --rw=randread --bs=64k  --iodepth=16 --size="$(size $((256 * M)))"
run seq4k     process --rw=read     --bs=4k   --iodepth=32 --size="$(size $((16 * M)))"
run rand4k    thread  --rw=randread --bs=4k   --iodepth=32 --size="$(size $((64 * M)))"
run rand4kt   process --rw=read     --bs=4k   --iodepth=16 --size="$(size $((64 * M)))"
run rand16k   thread  --rw=randread --bs=16k  --iodepth=16 --size="$(size $((128 * M)))"
run rand128k  process --rw=read     --bs=128k --iodepth=8  --size="$(size $((256 * M)))"
run rand1m    thread  --rw=read     --bs=1m   --iodepth=4  --size="$(size $((256 * M)))"

bytes=$(awk '{ sum += $1 } END { printf "%.0f", sum }' "$scratch/bytes")
[ "$quick" = 1 ] || [ "$bytes" -ge $((8 << 30)) ] || fail "only $bytes bytes were moved"
echo "fio: $runs runs, $bytes bytes, all verified"
