"""Bad input to real servers and clients: each is refused by an error that names object, cause and remedy, and hurts nobody
else. `bad_input_test.py [TEST...]`; --list prints the names."""
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import time
import unittest

import harness
from harness import MIB


class ProcessTest(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch("bad-input")
        self.addCleanup(self.scratch.close)

    def assert_says(self, text, *patterns):
        """Every pattern is in the text; the last ones say what to do."""
        for pattern in patterns:
            self.assertRegex(text, re.compile(pattern, re.IGNORECASE | re.DOTALL))

    def client(self, server, case, *arguments, env=None, timeout=120):
        done = harness.run(harness.program("process_client"), case, "pool", "files", *arguments,
                           env=env or server.environment(), timeout=timeout)
        self.assertEqual(done.code, 0, f"case {case}: {done.text}")
        return done.text

    def serving(self, **options):
        server = self.scratch.server(**options)
        server.start()
        server.make_container()
        return server

    def assert_serves(self, server, *environments):
        self.assertTrue(server.alive(), f"the server ended: {server.said()[-3000:]}")
        for env in environments or (server.environment(), server.tcp_environment()):
            self.client(server, "serves", env=env)


class Start(ProcessTest):
    """What a server refuses when it starts."""

    def config(self, text):
        path = self.scratch.path("server.yaml")
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_unknown_yaml_key(self):
        server = self.scratch.server()
        said = server.refuses(extra=["--config", self.config("targetz: 2\n")])
        self.assert_says(said, r"targetz", r"server\.yaml", r"no such key", r"did you mean 'targets'")

    def test_wrong_yaml_values(self):
        server = self.scratch.server()
        for text in ("targets: many\n", "targets: -1\n", "targets: 100000\n", "targets: [1, 2\n", "- 1\n- 2\n", "port: 99999999\n", "\x00\x01\x02"):
            with self.subTest(text):
                # The file alone: what the command line says wins over it.
                done = harness.run(harness.program("varved"), "--directory", server.data, "--run-directory", server.run_directory,
                                   "--config", self.config(text), timeout=30)
                self.assertGreater(done.code, 0, done.text)
                self.assert_says(done.text, r"server\.yaml|^varved: (targets|port): -?\d+")

    def test_unreadable_config(self):
        server = self.scratch.server()
        self.assert_says(server.refuses(extra=["--config", self.scratch.path("nowhere.yaml")]), r"nowhere\.yaml", r"no such file|not exist|cannot be (read|opened)")
        os.mkdir(self.scratch.path("folder.yaml"))
        self.assert_says(server.refuses(extra=["--config", self.scratch.path("folder.yaml")]), r"folder\.yaml", r"directory|cannot be read")

    def test_unknown_option(self):
        self.assert_says(self.scratch.server().refuses(extra=["--tragets", "3"]), r"tragets")

    def test_directory_that_cannot_be_made(self):
        server = self.scratch.server()
        with open(self.scratch.path("file"), "w"):
            pass
        server.data = self.scratch.path("file", "data")
        self.assert_says(server.refuses(), r"file/data", r"not a directory|cannot be")

    def test_directory_of_somebody_else(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody else")
        server = self.scratch.server()
        os.makedirs(server.data)
        os.chmod(server.data, 0o700)
        os.chmod(self.scratch.folder, 0o755)
        done = subprocess.run([harness.program("varved"), *server.arguments()], capture_output=True, text=True, timeout=30, user=65534, group=65534)
        self.assertGreater(done.returncode, 0)
        self.assert_says(done.stdout + done.stderr, re.escape(self.scratch.folder), r"permission denied")

    def test_port_in_use(self):
        server = self.scratch.server()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", server.port))
            taken.listen()
            self.assert_says(server.refuses(), str(server.port), r"in use", r"another port|--port|stop")

    def test_device_in_use(self):
        first = self.serving()
        second = self.scratch.server("second")
        second.data = first.data
        self.assert_says(second.refuses(), re.escape(first.data), r"in use|is used|locked", r"stop|another")
        self.assert_serves(first)

    def test_run_directory_in_use(self):
        first = self.serving()
        second = self.scratch.server("second")
        second.run_directory = first.run_directory
        self.assert_says(second.refuses(), re.escape(first.run_directory), r"in use|is used|listens", r"stop|another")
        self.assert_serves(first)

    def test_stale_sockets_are_no_obstacle(self):
        server = self.serving()
        server.kill()
        self.assertTrue(os.path.isdir(server.run_directory))
        server.start()
        self.assert_serves(server)


class Devices(ProcessTest):
    def test_device_of_another_system(self):
        first, second = self.serving(), self.serving(name="second")
        first.stop()
        second.stop()
        shutil.copy(first.devices()[-1], second.devices()[-1])
        self.assert_says(second.refuses(), re.escape(os.path.basename(second.devices()[-1])), r"another|other system|belongs", r"move|remove|give|take|put|restore|own")
        first.start()
        self.assert_serves(first)

    def test_devices_exchanged(self):
        server = self.serving()
        server.stop()
        one, two = server.devices()[-2:]
        os.rename(one, one + ".kept")
        os.rename(two, one)
        os.rename(one + ".kept", two)
        self.assert_says(server.refuses(), r"target", re.escape(os.path.basename(os.path.dirname(one)) if "target" in os.path.dirname(one) else os.path.basename(one)))

    def superblocks(self, path):
        """Offsets of the blocks that carry the volume's magic: docs/formats/volume.md."""
        with open(path, "rb") as device:
            head = device.read(16 * MIB)
            magic = head[:8]
            self.assertNotEqual(magic, bytes(8))
            found, at = [], 0
            while (at := head.find(magic, at)) >= 0:
                if at % 4096 == 0:
                    found.append(at)
                at += 1
            size = os.path.getsize(path)
            device.seek(max(0, size - 16 * MIB))
            base, tail = device.tell(), device.read()
            at = 0
            while (at := tail.find(magic, at)) >= 0:
                if (base + at) % 4096 == 0 and base + at not in found:
                    found.append(base + at)
                at += 1
        return found

    def damage(self, path, offset, length=4096):
        with open(path, "r+b") as device:
            device.seek(offset)
            device.write(os.urandom(length))

    def test_one_superblock_damaged(self):
        server = self.serving()
        self.client(server, "serves")
        server.kill()
        device = server.devices()[-1]
        copies = self.superblocks(device)
        self.assertGreaterEqual(len(copies), 2, f"superblock copies at {copies}")
        for copy in copies[:2]:
            self.damage(device, copy + 64, 100)
            server.start()
            self.assert_serves(server)
            server.kill()

    def test_all_superblocks_damaged(self):
        server = self.serving()
        server.kill()
        device = server.devices()[-1]
        before = os.path.getsize(device)
        for copy in self.superblocks(device):
            self.damage(device, copy)
        said = server.refuses()  # it may be the wrong device
        self.assert_says(said, re.escape(os.path.basename(device)), r"superblock|damaged|format", r"restore|replace|remove|delete|reformat|move")
        self.assertEqual(os.path.getsize(device), before, "the damaged device was overwritten")

    def test_lost_target(self):
        """One target's device is damaged: the others serve, and what lies there is refused at once, by name, until it is restored."""
        server = self.serving()
        oids = [str(oid) for oid in range(1, 25)]
        for oid in oids:
            server.varve("object", "put", "pool", "files", oid, "greeting", "text", "hello " + oid)
        server.kill()
        device = server.devices()[-1]
        name = re.escape(os.path.basename(device))
        shutil.copy(device, device + ".kept")
        for copy in self.superblocks(device):
            self.damage(device, copy + 64, 100)
        with open(device, "rb") as file:
            damaged = file.read(1 * MIB)
        server.start()
        self.assert_says(server.said(), r"is lost, the others serve", name, r"restore|inspect")
        states = [target["state"] for target in server.json("system", "query")["members"][0]["targets"]]
        self.assertEqual([state == "up" for state in states].count(True), len(states) - 1, states)
        self.assert_says(states[-1], "failed", name)
        begin = time.monotonic()
        there, lost = [], []
        for oid in oids:
            done = server.varve("object", "get", "pool", "files", oid, "greeting", "text", check=False)
            if done.code == 0:
                self.assertIn("hello " + oid, done.out)
                there.append(oid)
            else:
                self.assert_says(done.text, r"is lost", name)
                lost.append(oid)
        self.assertTrue(there and lost, (there, lost))
        self.assertLess(time.monotonic() - begin, 30, "nobody waits for a target that is lost")
        done = server.varve("object", "put", "pool", "files", lost[0], "greeting", "text", "other", check=False)
        self.assertNotEqual(done.code, 0)
        server.varve("object", "put", "pool", "files", there[0], "greeting", "more", "written meanwhile")
        self.assertEqual(server.json("pool", "query", "pool")["disabled_targets"], 1)
        for change in (("container", "create", "pool", "more"), ("container", "destroy", "pool", "files"), ("pool", "create", "another", "--size", "1%"),
                       ("pool", "destroy", "pool", "--force"), ("container", "create-snap", "pool", "files")):
            done = server.varve(*change, check=False)
            self.assertNotEqual(done.code, 0, change)
            self.assert_says(done.text, r"is lost", name)
        server.stop()
        with open(device, "rb") as file:
            self.assertEqual(file.read(1 * MIB), damaged, "the damaged device was written to")
        os.replace(device + ".kept", device)
        server.start()
        for oid in oids:
            self.assertIn("hello " + oid, server.varve("object", "get", "pool", "files", oid, "greeting", "text").out)
        self.assertEqual(len(server.json("container", "list", "pool")), 1, "a refused change left nothing")
        self.assertIn("written meanwhile", server.varve("object", "get", "pool", "files", there[0], "greeting", "more").out)
        self.assert_serves(server)

    def test_first_block_zeroed(self):
        """A device that lost its superblocks altogether must not be formatted anew without a word."""
        server = self.serving()
        server.kill()
        device = server.devices()[-1]
        with open(device, "r+b") as file:
            for copy in self.superblocks(device):
                file.seek(copy)
                file.write(bytes(4096))
        said = server.refuses()
        self.assert_says(said, re.escape(os.path.basename(device)))

    def test_truncated_device(self):
        server = self.serving()
        server.kill()
        device = server.devices()[-1]
        size = os.path.getsize(device)
        for length in (size - 4096, size // 2, 1 * MIB, 4096, 100, 0):
            with self.subTest(length=length):
                os.truncate(device, length)
                server.start(wait=False)
                harness.wait_for(lambda: not server.alive() or "ready" in server.said(), "a lost target or a refusal", 60)
                if server.alive():
                    self.assert_says(server.said(), r"is lost, the others serve")
                    server.kill()
                else:
                    self.assertGreater(server.process.returncode, 0, f"crashed: {server.said()[-3000:]}")
                self.assert_says(server.said(), re.escape(os.path.basename(device)))

    def test_missing_device(self):
        server = self.serving()
        server.kill()
        device = server.devices()[-1]
        os.rename(device, device + ".away")
        self.assert_says(server.refuses(), re.escape(os.path.basename(device)), r"no superblock|no such|not exist", r"restore")
        os.rename(device + ".away", device)
        server.start()
        self.assert_serves(server)

    def test_damaged_log(self):
        """Noise in the log region: recovery stops at the hole or the server refuses; it never crashes or hangs."""
        server = self.serving()
        writer = harness.run(harness.program("process_writer"), "run", "pool", "files", self.scratch.path("journal"), "--bytes", 8 * MIB, "--threads", 2,
                             env=server.environment(), timeout=60)
        self.assertEqual(writer.code, 0, writer.text)
        server.kill()
        device = server.devices()[-1]
        kept = device + ".kept"
        shutil.copy(device, kept)
        for offset in (64 << 10, 1 * MIB, 5 * MIB, 20 * MIB):
            with self.subTest(offset=offset):
                shutil.copy(kept, device)
                self.damage(device, offset, 256 << 10)
                server.start(wait=False)
                harness.wait_for(lambda: not server.alive() or "ready" in server.said(), "an answer or a refusal", 60)
                if server.alive():
                    if "is lost" in server.said():
                        self.assert_says(server.said(), re.escape(os.path.basename(device)))
                    server.kill()
                else:
                    self.assertGreater(server.process.returncode, 0, f"crashed: {server.said()[-3000:]}")
                    self.assert_says(server.said(), re.escape(os.path.basename(device)))


class Clients(ProcessTest):
    def test_names(self):
        server = self.serving()
        self.client(server, "names")
        for arguments, patterns in (
                (("pool", "query", "nosuch"), ("nosuch", "not exist|no pool", "pool list|list")),
                (("container", "query", "nosuch", "files"), ("nosuch", "not exist|no pool", "list")),
                (("container", "query", "pool", "nosuch"), ("nosuch", "not exist|no container", "list")),
                (("fs", "ls", "varve://pool/nosuch/"), ("nosuch", "not exist|no such|no container")),
                (("fs", "ls", "varve://nosuch/files/"), ("nosuch", "not exist|no such|no pool")),
                (("fs", "ls", "varve://pool/files/nosuch"), ("nosuch", "not exist|no such")),
                (("pool", "create", "pool", "--size", "16MiB"), ("'?pool'?", "exists", "another|name|query")),
                (("pool", "create", "huge", "--size", "900GiB"), ("huge", "nospace", "ask for less|destroy")),
                (("pool", "create", "a b", "--size", "16MiB"), ("a b", "valid|label")),
                (("pool", "create", "p2", "--size", "banana"), ("banana", "")),
                (("container", "create", "pool", "files", "--type", "POSIX"), ("files", "exists", "another"))):
            with self.subTest(" ".join(arguments)):
                done = server.varve(*arguments, check=False)
                self.assertNotEqual(done.code, 0, done.text)
                self.assert_says(done.text, *patterns)
                self.assertNotRegex(done.text, r"terminate called|Assertion|core dumped")

    def test_no_server(self):
        server = self.serving()
        server.kill()
        begin = time.monotonic()
        for env in (server.environment(VARVE_TIMEOUT_MS="1500"), server.tcp_environment(VARVE_TIMEOUT_MS="1500")):
            done = server.varve("pool", "list", env=env, check=False)
            self.assertNotEqual(done.code, 0)
            self.assert_says(done.text, r"system\.sock|127\.0\.0\.1", r"server", r"start|running|address")
        self.assertLess(time.monotonic() - begin, 10)

    def test_wrong_environment(self):
        server = self.serving()
        for env in ({"VARVE_ADDRESS": "carrier-pigeon://x"}, {"VARVE_TIMEOUT_MS": "soon"}, {"VARVE_TRANSPORT": "smoke"}):
            done = server.varve("pool", "list", env={**server.environment(), **env}, check=False)
            self.assertNotEqual(done.code, 0)
            (name, value), = env.items()
            self.assert_says(done.text, re.escape(value) if name == "VARVE_ADDRESS" else name)

    def test_closed_handles(self):
        self.client(self.serving(), "closed_handles")

    def test_oversize(self):
        server = self.serving()
        self.client(server, "oversize")
        self.client(server, "oversize", env=server.tcp_environment())
        self.assert_serves(server)

    def test_full_device(self):
        server = self.serving(device="320MiB")
        self.client(server, "full_device", timeout=300)
        server.kill()
        server.start()
        self.assert_serves(server)

    def stopped(self, server, env):
        print(self.client(server, "stopped_server", server.process.pid, env=env).strip())
        self.assert_serves(server)

    def test_stopped_server_tcp(self):
        server = self.serving()
        self.stopped(server, server.tcp_environment(VARVE_TIMEOUT_MS="3000"))

    def test_stopped_server_local(self):
        server = self.serving()
        self.stopped(server, server.environment(VARVE_TIMEOUT_MS="3000"))

    def killed(self, server, env, restart):
        client = self.scratch.spawn(harness.program("process_client"), "killed_server", "pool", "files", env=env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(client.stdout.readline().strip(), "ready")
        time.sleep(0.2)
        server.kill()
        if restart:
            time.sleep(1.0)
            server.start()
        said, _ = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 0, said)
        print(said.strip().replace("\n", "; "))
        return int(re.search(r"result (-?\d+)", said).group(1))

    def test_killed_server(self):
        server = self.serving()
        for environment in (server.environment, server.tcp_environment):
            with self.subTest(environment.__name__):
                self.assertIn(self.killed(server, environment(VARVE_TIMEOUT_MS="2500"), False), (-1011,))
                server.start()

    def test_killed_and_restarted_server(self):
        server = self.serving()
        for environment in (server.environment, server.tcp_environment):
            with self.subTest(environment.__name__):
                self.assertEqual(self.killed(server, environment(VARVE_TIMEOUT_MS="20000"), True), 0)


class KilledClients(ProcessTest):
    """1,000 clients that die in the middle of requests: the server's memory and descriptors stay flat."""

    def batch(self, server, count, env, at_once=4):
        for _ in range(count // at_once):
            clients = [self.scratch.spawn(harness.program("process_client"), "busy", "pool", "files", env=env, stdout=subprocess.PIPE) for _ in range(at_once)]
            for one in clients:
                self.assertEqual(one.stdout.readline().strip(), b"ready")
            time.sleep(0.001 * (os.urandom(1)[0] % 16))
            for one in clients:
                one.kill()
            for one in clients:
                one.wait()
                one.stdout.close()
            self.scratch.processes.clear()

    def run_many(self, environment):
        server = self.serving(device="1GiB")
        env = environment(server)
        self.batch(server, 100, env)
        self.assert_serves(server)
        time.sleep(1)
        memory, descriptors = server.resident_bytes(), server.descriptors()
        self.batch(server, 400, env)
        self.assert_serves(server)
        harness.wait_for(lambda: server.descriptors() <= descriptors + 8,
                         f"descriptors to fall back to {descriptors}; there are {server.descriptors()}", 30)
        print(f"resident {memory >> 20} MiB after 100 clients, {server.resident_bytes() >> 20} MiB after 500; "
              f"{descriptors} and {server.descriptors()} descriptors")
        self.assertLess(server.resident_bytes(), memory + 32 * MIB)

    def test_killed_clients_local(self):
        self.run_many(lambda server: server.environment())

    def test_killed_clients_tcp(self):
        self.run_many(lambda server: server.tcp_environment())


class Malformed(ProcessTest):
    """Noise of any length at every port and socket."""

    def lengths(self):
        return [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 255, 256, 1000, 4095, 4096, 4097, 65535, 65536, 65537, 300000]

    def throw(self, connect, data):
        try:
            with connect() as one:
                if one.family == socket.AF_INET:  # so that the kernel forgets it at once
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.settimeout(0.05)
                one.sendall(data)
                try:
                    one.recv(4096)
                except (TimeoutError, socket.timeout):
                    pass
        except (ConnectionError, BrokenPipeError, TimeoutError, socket.timeout):
            pass

    def test_noise_at_tcp_ports(self):
        server = self.serving()
        places = server.listening()
        for port in range(server.port, server.port + 3):
            self.assertIn(("127.0.0.1", port), places, "system and two targets")
        self.assertEqual({address for address, _ in places}, {"127.0.0.1"}, "other interfaces are none of its business")
        descriptors = server.descriptors()
        for place in places:
            for length in self.lengths():
                for data in (os.urandom(length), bytes(length), b"\xff" * length, b"GET / HTTP/1.1\r\n" * (length // 16)):
                    self.throw(lambda: socket.create_connection(place, 2), data)
                self.assertTrue(server.alive(), f"{place}, {length} bytes: {server.said()[-3000:]}")
        self.assert_serves(server)
        harness.wait_for(lambda: server.descriptors() <= descriptors + 16, f"{descriptors} descriptors; there are {server.descriptors()}", 30)

    def test_half_open_connections(self):
        """Connections that say nothing at all do not keep others out."""
        server = self.serving()
        held = []
        for place in server.listening():
            held += [socket.create_connection(place, 2) for _ in range(60)]
        self.addCleanup(lambda: [one.close() for one in held])
        for path in server.sockets():
            for _ in range(20):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if self.is_packet(path) else socket.SOCK_STREAM)
                one.connect(path)
                held.append(one)
        self.assert_serves(server)

    def is_packet(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            try:
                one.connect(path)
                return False
            except OSError:
                return True

    def test_noise_at_unix_sockets(self):
        server = self.serving()
        sockets = server.sockets()
        self.assertGreaterEqual(len(sockets), 3)
        descriptors = server.descriptors()
        for path in sockets:
            self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
            kind = socket.SOCK_SEQPACKET if self.is_packet(path) else socket.SOCK_STREAM

            def connect():
                one = socket.socket(socket.AF_UNIX, kind)
                one.settimeout(2)
                one.connect(path)
                return one
            for length in self.lengths():
                if kind == socket.SOCK_SEQPACKET and length > 100000:
                    continue
                for data in (os.urandom(length), bytes(length)):
                    self.throw(connect, data)
            # Descriptors that nobody asked for.
            for count in (1, 3, 50, 200):
                with connect() as one, open("/dev/null") as null:
                    try:
                        socket.send_fds(one, [os.urandom(64)], [null.fileno()] * count)
                        one.settimeout(0.2)
                        one.recv(4096)
                    except OSError:
                        pass
            self.assertTrue(server.alive(), f"{path}: {server.said()[-3000:]}")
        self.assert_serves(server)
        harness.wait_for(lambda: server.descriptors() <= descriptors + 8, f"{descriptors} descriptors; there are {server.descriptors()}", 30)

    def test_messages(self):
        """Through the transports: frames of noise, damaged frames, sound frames with noise as body, at every endpoint."""
        server = self.serving()
        addresses = [f"tcp://127.0.0.1:{port}" for port in range(server.port, server.port + 3)] + [f"local://{path}" for path in server.sockets()]
        pool = server.json("pool", "query", "pool")["uuid"]
        container = server.json("container", "query", "pool", "files")["container_uuid"]
        for address in addresses:
            done = harness.run(harness.program("process_malformed"), address, "1500", pool, container, "1",
                               f"local://{server.run_directory}/system.sock", timeout=120)
            print(done.out.strip())
            self.assertEqual(done.code, 0, f"{address}: {done.text}")
            self.assertTrue(server.alive(), f"{address}: {server.said()[-3000:]}")
        self.assert_serves(server)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for group in unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]):
            for test in group:
                print(test.id().replace("__main__.", ""))
    else:
        unittest.main(verbosity=2)
