"""varve filesystem set-quota and get-quota against a live server."""
import json
import os
import unittest

import harness


class QuotaTest(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch("quota")
        self.server = self.scratch.server()
        self.server.start()
        self.server.json("pool", "create", "pool", "--size", "60%")
        self.server.varve("container", "create", "pool", "files", "--type", "POSIX")

    def tearDown(self):
        self.server.stop()
        self.scratch.close()

    def test_directories_and_users(self):
        place = "varve://pool/files/limited"
        self.server.varve("filesystem", "mkdir", place)
        done = self.server.varve("-j", "fs", "get-quota", place, check=False)
        self.assertIn("set-quota", json.loads(done.out)["error"])
        self.server.varve("fs", "set-quota", place, "--bytes", "1MiB", "--files", "2")
        local = self.scratch.path("file")
        with open(local, "wb") as file:
            file.write(b"x" * 10000)
        self.server.varve("filesystem", "cp", local, place + "/one")
        seen = self.server.json("fs", "get-quota", place)
        self.assertEqual((seen["bytes_limit"], seen["files_limit"], seen["files_used"]), (1 << 20, 2, 1))
        self.assertEqual(seen["bytes_used"], 12288)
        self.server.varve("filesystem", "mkdir", place + "/two")
        refused = self.server.varve("filesystem", "mkdir", place + "/three", check=False)
        self.assertNotEqual(refused.code, 0)
        self.server.varve("filesystem", "rm", place + "/one")
        seen = self.server.json("fs", "get-quota", place)
        self.assertEqual((seen["bytes_used"], seen["files_used"]), (0, 1))
        user = str(os.geteuid())
        self.server.varve("fs", "set-quota", "varve://pool/files", "--user", user, "--files", "100")
        self.assertEqual(self.server.json("fs", "get-quota", "varve://pool/files", "--user", user)["files_used"], 2)
        self.server.varve("fs", "set-quota", place)
        self.assertNotEqual(self.server.varve("fs", "get-quota", place, check=False).code, 0)


if __name__ == "__main__":
    unittest.main()
