"""Snapshots of real containers through the commands: rolled back after everything was removed, with the server killed at
any instant of it; compared; listed. `snapshots_test.py [TEST...]`."""
import os
import random
import subprocess
import time
import unittest

import harness


class Snapshots(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch("snapshots")
        self.addCleanup(self.scratch.close)
        self.server = self.scratch.server()
        self.server.start()
        self.server.make_container()

    def make_tree(self, name, files, seed):
        """A folder of files; {path below it: content}."""
        rng, tree = random.Random(seed), {}
        for number in range(files):
            path = f"{name}-{number % 5}/file {number}"
            tree[path] = rng.randbytes(rng.choice([0, 10, 5000, 40_000, 300_000]))
            whole = self.scratch.path(name, path)
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "wb") as file:
                file.write(tree[path])
        return tree

    def read_back(self, places, number):
        """What the container's folders hold, {path: content}."""
        tree = {}
        for place in places:
            to = self.scratch.path(f"back-{number}", place)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            self.server.varve("filesystem", "copy", "-r", f"varve://pool/files/{place}", to)
            for folder, _, names in os.walk(to):
                for name in names:
                    path = os.path.join(folder, name)
                    with open(path, "rb") as file:
                        tree[os.path.relpath(path, to)] = file.read()
        return tree

    def container(self, verb, *arguments):
        return self.server.json("container", verb, "pool", "files", *arguments)

    def test_rollback_after_everything_was_removed(self):
        old = self.make_tree("old", 40, 1)
        self.server.varve("filesystem", "copy", "-r", self.scratch.path("old"), "varve://pool/files/tree")
        before = self.container("create-snap", "--snap", "before")["epoch"]
        self.server.varve("filesystem", "rm", "-r", "varve://pool/files/tree")
        self.make_tree("new", 20, 2)
        self.server.varve("filesystem", "copy", "-r", self.scratch.path("new"), "varve://pool/files/tree")
        after = self.container("create-snap")["epoch"]
        self.assertGreater(after, before)
        self.assertEqual([row["epoch"] for row in self.container("list-snaps")], [before, after])
        changes = self.container("diff", "--from", before, "--to", after)
        self.assertGreater(sum(row["change"] == "removed" for row in changes), 30)
        self.assertGreater(sum(row["change"] == "added" for row in changes), 15)
        self.assertEqual(self.container("diff", "--from", before, "--to", before), [])

        # Killed at any instant of it, the rollback is done whole once the server is back.
        for attempt in range(4):
            with self.subTest(attempt):
                target = ("--snap", "before") if attempt % 2 == 0 else ("--epc", after)
                command = self.scratch.spawn(harness.program("varve"), "-j", "container", "rollback", "pool", "files", *target,
                                             "--force", env=self.server.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                time.sleep(random.Random(attempt).uniform(0, 0.03))  # any instant will do
                self.server.kill()
                self.server.start()
                said = command.communicate(timeout=60)[0]
                if command.returncode != 0:  # the server was gone before it was asked
                    self.assertRegex(said, "DER_UNREACH|DER_NOREPLY")
                    self.container("rollback", *target, "--force")
                tree = self.read_back(["tree"], attempt)
                if attempt % 2 == 0:
                    self.assertEqual(tree, {path: content for path, content in old.items()})
                else:
                    self.assertEqual(len(tree), 20)
        self.assertEqual(self.container("diff", "--from", after), [], "rolled back to it, nothing differs")
        self.container("rollback", "--snap", "before", "--force")
        self.assertEqual(self.read_back(["tree"], "last"), old)

    def test_rollback_is_refused(self):
        epoch = self.container("create-snap")["epoch"]
        said = self.server.varve("container", "rollback", "pool", "files", "--epc", epoch + 1, check=False)
        self.assertNotEqual(said.code, 0)
        self.assertRegex(said.text, "no snapshot at epoch")
        said = self.server.varve("container", "rollback", "pool", "files", check=False)
        self.assertRegex(said.text, "--epc or by --snap")

    def test_objects_and_cost(self):
        """A snapshot costs the same of little and of much; so does a rollback."""
        def best(*arguments):
            times = []
            for _ in range(5):
                begin = time.monotonic()
                self.container(*arguments)
                times.append(time.monotonic() - begin)
            return min(times)
        little = best("create-snap")
        listed = len(self.container("list-objects"))
        self.make_tree("much", 300, 3)
        self.server.varve("filesystem", "copy", "-r", self.scratch.path("much"), "varve://pool/files/much")
        much = best("create-snap")
        epoch = self.container("create-snap")["epoch"]
        grown = self.container("list-objects", "--epc", epoch)
        self.assertEqual(len(grown), len(set(grown)), "each once")
        self.assertGreater(len(grown), listed + 200)  # empty files have no object
        self.server.varve("filesystem", "rm", "-r", "varve://pool/files/much")
        self.assertEqual(self.container("list-objects", "--epc", epoch), grown)
        self.assertLess(len(self.container("list-objects")), listed + 10)
        begin = time.monotonic()
        self.container("rollback", "--epc", epoch, "--force")
        took = time.monotonic() - begin
        print(f"create-snap: {little * 1e3:.1f} ms of an empty container, {much * 1e3:.1f} ms of 300 files; "
              f"rollback after their removal: {took * 1e3:.1f} ms")
        self.assertEqual(self.container("list-objects"), grown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
