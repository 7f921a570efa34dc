"""kill -9 under load: ROUNDS times a server with file devices dies in the middle of concurrent writes; after each
restart every acknowledged byte must be there, and every write in flight whole or not at all."""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

import harness


class Load:
    """process_writer with its journal; one of them talks TCP, the other the same-host ring."""

    def __init__(self, scratch, server, seed, transport):
        self.scratch, self.seed = scratch, seed
        self.env = (server.tcp_environment if transport == "tcp" else server.environment)(VARVE_TIMEOUT_MS="60000")
        self.journal = scratch.path(f"journal-{seed}")
        self.process = None

    def start(self):
        self.output = open(self.scratch.path(f"writer-{self.seed}.log"), "ab+")
        self.begin = self.output.seek(0, os.SEEK_END)
        self.process = self.scratch.spawn(
            harness.program("process_writer"), "run", "pool", "files", self.journal, "--seed", self.seed, "--threads", 3,
            "--files", 6, "--file-bytes", 3 * harness.MIB, "--entries", 24, "--keys", 48, "--names", 24,
            "--bytes", 24 * harness.MIB, env=self.env, stdout=self.output, stderr=subprocess.STDOUT)

    def said(self):
        with open(self.output.name, "rb") as log:
            log.seek(self.begin)
            return log.read().decode(errors="replace")

    def acknowledged(self):
        return os.path.getsize(self.journal) if os.path.exists(self.journal) else 0

    def stop(self, seconds=90):
        self.process.terminate()
        code = self.process.wait(seconds)
        assert code == 0, f"writer {self.seed} ended with {code}: {self.said()[-3000:]}"

    def verify(self):
        done = harness.run(harness.program("process_writer"), "verify", "pool", "files", self.journal, env=self.env, timeout=120)
        assert done.code == 0, f"writer {self.seed}: acknowledged writes are lost or torn:\n{done.text[-4000:]}"
        return done.out.strip()


def run_round(number, choices, server, loads):
    """Load, death at some instant, perhaps another while it recovers, restart, check."""
    survive = number % 2 == 0  # the writers live on across the server's death, or die with it
    sizes = [load.acknowledged() for load in loads]
    for load in loads:
        load.start()
    for load, size in zip(loads, sizes):
        harness.wait_for(lambda: load.acknowledged() > size + 5000 or load.process.poll() is not None,
                         f"writer {load.seed} to write; it said {load.said()}")
    time.sleep(choices.choice([0.0, 0.02, 0.1, 0.3, 0.8]) * choices.random())
    server.kill()
    if not survive:
        for load in loads:
            load.process.kill()
            load.process.wait()
    for _ in range(choices.choice([0, 0, 1, 2])):
        server.start(wait=False)
        time.sleep(choices.random() * 0.25)
        server.kill()
    recovery = server.start()
    if survive:
        before = [load.acknowledged() for load in loads]
        for load, size in zip(loads, before):
            harness.wait_for(lambda: load.acknowledged() > size + 2000 or load.process.poll() is not None,
                             f"writer {load.seed} to go on after the restart; it said {load.said()}", 60)
            load.stop()
    return recovery, [load.verify() for load in loads]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the scratch folder if it fails")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    choices = random.Random(options.seed)
    scratch = harness.Scratch("kill9")
    passed, begin, recoveries = False, time.monotonic(), []
    try:
        server = scratch.server(targets=2, device="3GiB", extra=["--log-bytes", "16MiB"])  # a small log: checkpoints are often under way
        server.start()
        server.make_container(size="90%")
        loads = [Load(scratch, server, 11, "tcp"), Load(scratch, server, 12, "local")]
        for number in range(options.rounds):
            recovery, said = run_round(number, choices, server, loads)
            recoveries.append(recovery)
            print(f"round {number + 1}: recovered in {recovery:.2f} s; {said[0]}", flush=True)
        server.stop()
        passed = True
    finally:
        scratch.close(keep=options.keep and not passed)
    recoveries.sort()
    print(f"kill9: {options.rounds} rounds in {time.monotonic() - begin:.0f} s, nothing lost, nothing torn; recovery "
          f"{recoveries[len(recoveries) // 2]:.2f} s in the middle, {recoveries[-1]:.2f} s at the longest")


if __name__ == "__main__":
    main()
