"""The commands against a live server: verbs, and the JSON that scripts read."""
import base64
import json
import os
import unittest

import harness


class CommandsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch("commands")
        cls.server = cls.scratch.server()
        cls.server.start()
        cls.created = cls.server.json("pool", "create", "pool", "--size", "60%")
        cls.server.varve("container", "create", "pool", "files", "--type", "POSIX", "--chunk-size", "64KiB")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.scratch.close()

    def refused(self, *arguments):
        """The error of a verb that must fail."""
        done = self.server.varve("-j", *arguments, check=False)
        self.assertNotEqual(done.code, 0, done.text)
        answer = json.loads(done.out)
        self.assertIsNone(answer["response"])
        self.assertLess(answer["status"], 0)
        return answer["error"]

    def test_pools_have_the_fields_that_scripts_read(self):
        queried = self.server.json("pool", "query", "pool")
        listed = self.server.json("pool", "list")["pools"][0]
        for info in (self.created, queried, listed):
            self.assertEqual((info["label"], info["svc_ldr"], info["svc_reps"], info["tgt_ranks"]),
                             ("pool", 0, [0], [0]))
            self.assertEqual((info["state"], info["total_targets"], info["active_targets"],
                              info["disabled_targets"]), ("Ready", 2, 2, 0))
            self.assertEqual(info["uuid"], self.created["uuid"])
            self.assertEqual(info["tier_bytes"], [info["tier_stats"][0]["total"]])
            self.assertEqual(set(info["tier_stats"][0]), {"total", "free", "min", "max", "mean", "media_type"})
        self.assertEqual(queried["rebuild"]["state"], "idle")
        targets = self.server.json("pool", "query-targets", "pool")["infos"]
        self.assertEqual([target["target_state"] for target in targets], ["up", "up"])

    def test_attributes_of_pools_and_containers(self):
        for noun, names in (("pool", ["pool"]), ("container", ["pool", "files"])):
            self.server.varve(noun, "set-attr", *names, "one", "1")
            self.server.varve(noun, "set-attr", *names, "two:2,three:a:b")
            self.assertEqual(sorted(self.server.json(noun, "list-attrs", *names)), ["one", "three", "two"])
            whole = self.server.json(noun, "list-attrs", *names, "-V")
            self.assertEqual({key: base64.b64decode(value) for key, value in whole.items()},
                             {"one": b"1", "two": b"2", "three": b"a:b"})
            self.assertEqual(self.server.json(noun, "get-attr", *names, "three"),
                             {"name": "three", "value": base64.b64encode(b"a:b").decode()})
            self.server.varve(noun, "del-attr", *names, "one,two,three")
            self.assertEqual(self.server.json(noun, "list-attrs", *names), [])
            self.assertIn("'one'", self.refused(noun, "get-attr", *names, "one"))

    def test_properties_by_name(self):
        def of(noun, *names):
            return {row["name"]: row["value"] for row in self.server.json(noun, "get-prop", *names)}
        self.assertEqual(of("pool", "pool", "label,ec_cell_sz"), {"label": "pool", "ec_cell_sz": 65536})
        found = of("container", "pool", "files")
        self.assertEqual((found["layout_type"], found["label"], found["status"]), ("POSIX", "files", "HEALTHY"))
        self.server.varve("container", "set-prop", "pool", "files", "max_snapshot:5")
        self.assertEqual(of("container", "pool", "files", "max_snapshot"), {"max_snapshot": 5})
        for pair, says in (("colour:red", "no property 'colour'"), ("cksum:md5", "sha256"),
                           ("compression:lz4", "not implemented"), ("layout_type:HDF5", "cannot be set"),
                           ("label", "no value")):
            self.assertIn(says, self.refused("container", "set-prop", "pool", "files", pair))

    def test_access_control_lists(self):
        for noun, names in (("pool", ["pool"]), ("container", ["pool", "files"])):
            before = self.server.json(noun, "get-acl", *names)
            self.assertTrue(before["owner_user"].endswith("@"))
            entry = "A::somebody@:r"
            self.assertIn(entry, self.server.json(noun, "update-acl", *names, "-e", entry)["ACL"])
            kept = self.scratch.path(noun + ".acl")
            self.server.varve(noun, "get-acl", *names, "-O", kept)
            self.assertNotIn(entry, self.server.json(noun, "delete-acl", *names, "-p", "u:somebody@")["ACL"])
            self.assertIn(entry, self.server.json(noun, "overwrite-acl", *names, "-a", kept)["ACL"])
            self.server.varve(noun, "delete-acl", *names, "-p", "u:somebody@")
            self.assertEqual(self.server.json(noun, "get-acl", *names), before)
            self.refused(noun, "update-acl", *names, "-e", "A::nobody:everything")

    def test_container_types(self):
        for kind in ("PYTHON", "hdf5"):
            made = self.server.json("container", "create", "pool", kind, "--type", kind)
            self.assertEqual(self.server.json("container", "query", "pool", kind)["container_type"], kind.upper())
            self.server.varve("container", "destroy", "pool", made["uuid"])
        self.assertIn("SEISMIC", self.refused("container", "create", "pool", "odd", "--type", "odd"))
        self.assertIn("POSIX", self.refused("container", "create", "pool", "odd", "--chunk-size", "1MiB"))
        self.refused("container", "create", "pool", "odd", "--type", "POSIX", "--oclass", "ODD")
        unnamed = self.server.json("container", "create", "pool", "--type", "POSIX")
        self.assertIn(unnamed["uuid"], [row["uuid"] for row in self.server.json("container", "list", "pool")])
        self.server.varve("container", "destroy", "pool", unnamed["uuid"])

    def test_sizes_as_dmg_has_them(self):
        made = self.server.json("pool", "create", "parts", "-s", "16MiB", "-n", "32MiB")
        self.assertAlmostEqual(made["tier_bytes"][0] / (48 << 20), 1, delta=0.1)
        self.server.varve("pool", "destroy", "parts")
        for arguments in ([], ["--size", "1GiB", "-s", "1GiB"], ["--size", "16MiB", "-k", "2"]):
            self.refused("pool", "create", "parts", *arguments)

    def test_trees_of_many_files(self):
        tree = self.scratch.path("tree")
        for folder in range(5):
            os.makedirs(os.path.join(tree, str(folder)))
            for name in range(40):
                with open(os.path.join(tree, str(folder), str(name)), "w", encoding="ascii") as file:
                    file.write(f"{folder} {name}" * name)
        copied = self.server.json("filesystem", "cp", tree, "varve://pool/files/tree")
        self.assertEqual((copied["files"], copied["directories"]), (200, 6))
        back = self.scratch.path("back")
        self.server.varve("filesystem", "cp", "varve://pool/files/tree", back)
        self.assertEqual(harness.run("diff", "-r", tree, back).text, "")


class ManualsTest(unittest.TestCase):
    """What ./dev install makes of the help texts."""

    def setUp(self):
        self.scratch = harness.Scratch("manuals")
        self.addCleanup(self.scratch.close)
        for name in ("varve", "varved"):
            os.symlink(harness.program(name), self.scratch.path(name))
        tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "generate_manuals.py")
        harness.run("python3", tool, self.scratch.folder, self.scratch.folder, check=True)

    def page(self, name):
        with open(self.scratch.path("share", "man", name), encoding="utf-8") as file:
            return file.read().replace("\\-", "-")

    def complete(self, program, *words):
        script = self.scratch.path("share", "bash-completion", "completions", program)
        return harness.run("bash", "-c", f'source "{script}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                           f'_{program}_complete; echo "${{COMPREPLY[@]}}"', "-", program, *words, check=True).out.split()

    def test_pages_name_what_the_programs_do(self):
        for name in ("man1/varve.1", "man1/daos.1"):
            self.assertIn(f".SS {name[5:-2]} container create-snap POOL CONTAINER\n", self.page(name))
            self.assertNotIn("varve varve", self.page(name))
        self.assertIn(".SS dmg pool create LABEL\n", self.page("man8/dmg.8"))
        self.assertNotIn("filesystem", self.page("man8/dmg.8"))
        self.assertIn(".B --device-bytes TEXT\n", self.page("man8/varved.8"))

    def test_completion_knows_nouns_verbs_and_options(self):
        self.assertEqual(self.complete("daos", "po"), ["pool"])
        self.assertEqual(self.complete("dmg", "-j", "--timeout-ms", "5", "pool", "des"), ["destroy"])
        self.assertIn("create-snap", self.complete("varve", "cont", "cr"))
        self.assertIn("--force", self.complete("varve", "container", "destroy", "--f"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
