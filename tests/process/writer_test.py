"""The checkers can fail: process_writer notices writes that are lost, and compare.py every kind of difference."""
import os
import shutil
import subprocess
import sys
import unittest

import harness

COMPARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "demo", "compare.py")


class Checkers(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch("checkers")
        self.addCleanup(self.scratch.close)

    def writer(self, server, verb, *options):
        return harness.run(harness.program("process_writer"), verb, "pool", "files", self.scratch.path("journal"), *options,
                           env=server.environment(), timeout=120)

    def test_lost_writes_are_noticed(self):
        server = self.scratch.server()
        server.start()
        server.make_container()
        self.assertEqual(self.writer(server, "run", "--bytes", 4 << 20, "--file-bytes", 1 << 20).code, 0)
        self.assertEqual(self.writer(server, "verify").code, 0)
        server.stop()
        shutil.copytree(server.data, self.scratch.path("older"))
        server.start()
        self.assertEqual(self.writer(server, "run", "--bytes", 2 << 20).code, 0)
        self.assertEqual(self.writer(server, "verify").code, 0)
        server.stop()
        # The same server with the devices of before: everything since then is lost.
        shutil.rmtree(server.data)
        os.rename(self.scratch.path("older"), server.data)
        server.start()
        said = self.writer(server, "verify")
        self.assertEqual(said.code, 1, said.text)
        for kind in ("file-", "key ", "entry "):
            self.assertIn("WRONG: " + kind, said.text)

    def compare(self, verb, root):
        return subprocess.run([sys.executable, COMPARE, verb, self.scratch.path("manifest"), root], capture_output=True, text=True)

    def test_differences_are_noticed(self):
        root = self.scratch.path("root")
        os.makedirs(os.path.join(root, "folder"))
        file, link = os.path.join(root, "folder", "file"), os.path.join(root, "link")
        with open(file, "w") as out:
            out.write("content")
        os.symlink("folder/file", link)
        self.assertEqual(self.compare("record", root).returncode, 0)
        self.assertEqual(self.compare("check", root).returncode, 0)
        times = os.stat(file)

        def other_content():
            with open(file, "w") as out:
                out.write("contemt")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

        def other_link():
            os.unlink(link)
            os.symlink("folder/else", link)
        changes = [("sha256", other_content), ("mode", lambda: os.chmod(file, 0o600)), ("mtime_ns", lambda: os.utime(file, ns=(1, times.st_mtime_ns + 1))),
                   ("target", other_link), ("never there", lambda: os.mkdir(os.path.join(root, "more"))), ("missing", lambda: os.unlink(file))]
        for word, change in changes:
            with self.subTest(word):
                change()
                done = self.compare("check", root)
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
