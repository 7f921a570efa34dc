"""Servers and clients as real processes, in a scratch folder of their own; what the process tests share."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.environ.get("VARVE_BUILD") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build", "release")
MIB = 1 << 20
GIB = 1 << 30


def program(name):
    """A program of the build, wherever its folder put it."""
    for folder in ("bin", "src/command", "src/engine", "tests/process"):
        path = os.path.join(BUILD, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise SystemExit(f"there is no program {name} below {BUILD}; build it first: ./dev build release {name}")


def free_port(count=8):
    """The first of `count` neighbouring TCP ports that nobody listens at, below the ephemeral range."""
    start = 20000 + os.getpid() % 10000
    for base in range(start, start + 2000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    one = stack.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port))
                return base
            except OSError:
                continue
    raise SystemExit("no free TCP ports on 127.0.0.1")


def wait_for(condition, what, seconds=20.0):
    """Polls until condition() is true; its value. Fails with `what`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


class Run:
    """What a program said and how it ended."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        return self.out + self.err


def run(*arguments, env=None, timeout=60, check=False):
    done = Run(subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout,
                              errors="replace", env={**os.environ, **(env or {})}))
    if check and done.code:
        raise AssertionError(f"{' '.join(str(a) for a in arguments)} ended with {done.code}: {done.text}")
    return done


class Server:
    """One varved with file devices in `folder`."""

    def __init__(self, folder, targets=2, device="256MiB", port=None, extra=()):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.run_directory = os.path.join(folder, "run")
        self.log = os.path.join(folder, "server.log")
        self.port = free_port() if port is None else port
        self.targets, self.device, self.extra = targets, device, list(extra)
        self.process = None
        os.makedirs(folder, exist_ok=True)

    def arguments(self):
        return ["--directory", self.data, "--run-directory", self.run_directory, "--port", str(self.port),
                "--targets", str(self.targets), "--device-bytes", self.device, *self.extra]

    def environment(self, **more):
        """For clients of this server."""
        return {"VARVE_ADDRESS": f"local://{self.run_directory}/system.sock", **more}

    def tcp_environment(self, **more):
        return {"VARVE_ADDRESS": f"tcp://127.0.0.1:{self.port}", "VARVE_TRANSPORT": "tcp", **more}

    def start(self, seconds=30.0, wait=True):
        """Until its ready line; how long that took."""
        begin = time.monotonic()
        self.log_start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([program("varved"), *self.arguments()], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        if wait:
            self.wait_ready(seconds)
        return time.monotonic() - begin

    def wait_ready(self, seconds=30.0):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.said()}")
            return re.search(r"\bready\b", self.said())
        wait_for(ready, f"the server's ready line; it said: {self.said()}", seconds)

    def said(self):
        """Since the last start."""
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def refuses(self, seconds=30.0, extra=()):
        """Starts a server that must end by itself, with an error; what it said."""
        done = run(program("varved"), *self.arguments(), *extra, timeout=seconds)
        assert done.code not in (0, None), f"the server started and ended well, though it had to refuse: {done.text}"
        assert done.code > 0, f"the server crashed with signal {-done.code} instead of refusing: {done.text}"
        return done.text

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, seconds=20.0):
        self.process.terminate()
        code = self.process.wait(seconds)
        assert code == 0, f"the server ended with {code} after SIGTERM: {self.said()[-2000:]}"

    def alive(self):
        return self.process.poll() is None

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def varve(self, *arguments, env=None, check=True, timeout=60):
        return run(program("varve"), *arguments, env=env or self.environment(), check=check, timeout=timeout)

    def json(self, *arguments, **more):
        answer = json.loads(self.varve("-j", *arguments, **more).out)
        assert answer["status"] == 0, answer
        return answer["response"]

    def make_container(self, pool="pool", container="files", size="50%", type="POSIX"):
        self.varve("pool", "create", pool, "--size", size)
        self.varve("container", "create", pool, container, *(["--type", type] if type else []))

    def listening(self):
        """(address, port) of the TCP sockets that this process listens at."""
        inodes = set()
        for entry in os.listdir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(OSError):
                match = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{self.process.pid}/fd/{entry}"))
                if match:
                    inodes.add(match.group(1))
        found = []
        with open("/proc/net/tcp") as rows:
            for row in list(rows)[1:]:
                fields = row.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    address, port = fields[1].split(":")
                    found.append((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
        return sorted(found)

    def sockets(self):
        return sorted(os.path.join(self.run_directory, name) for name in os.listdir(self.run_directory)
                      if name.endswith(".sock"))

    def devices(self):
        """The device files, largest first."""
        found = []
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.getsize(path) >= 16 * MIB:
                    found.append(path)
        return sorted(found)


class Scratch:
    """A folder that goes away with everything that was started in it."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"varve-{name}-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.servers, self.processes = [], []

    def server(self, name="server", **options):
        one = Server(os.path.join(self.folder, name), **options)
        self.servers.append(one)
        return one

    def spawn(self, *arguments, env=None, **options):
        one = subprocess.Popen([str(a) for a in arguments], env={**os.environ, **(env or {})}, **options)
        self.processes.append(one)
        return one

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def close(self, keep=False):
        for one in self.processes:
            if one.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    one.send_signal(signal.SIGCONT)
                    one.kill()
                one.wait()
        for server in self.servers:
            server.kill()
        if keep:
            print(f"kept for you to look at: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
