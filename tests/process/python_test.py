"""pydaos against a live server: dictionaries and NumPy arrays by name."""
import os
import sys
import threading
import unittest

import harness

try:
    import numpy
except ImportError:
    numpy = None


class PythonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch("python")
        server = cls.server = cls.scratch.server()
        server.start()
        server.varve("pool", "create", "pool", "--size", "80%")
        server.varve("container", "create", "pool", "python", "--type", "PYTHON")
        server.varve("container", "create", "pool", "objects")
        os.environ.update(server.environment())
        import pydaos
        cls.pydaos = pydaos
        cls.container = pydaos.DCont("pool", "python")

    @classmethod
    def tearDownClass(cls):
        cls.container.close()
        cls.server.stop()
        cls.scratch.close()

    def test_a_dictionary_is_a_mapping(self):
        one = self.container.dict("mapping", {"a": b"1", "b": "two"})
        one["c"] = bytes(range(256))
        self.assertEqual((one["a"], one["b"], one["c"]), (b"1", b"two", bytes(range(256))))
        self.assertEqual(sorted(one), ["a", "b", "c"])
        self.assertEqual(len(one), 3)
        self.assertIn("a", one)
        self.assertNotIn("d", one)
        del one["a"]
        one.put("b", None)
        self.assertEqual(one.dump(), {"c": bytes(range(256))})
        self.assertIsNone(one.get("a"))
        for act in (lambda: one["a"], lambda: one.pop("a"), lambda: one.__delitem__("a")):
            self.assertRaises(KeyError, act)

    def test_many_keys_and_long_values(self):
        pairs = {f"key {i}": b"x" * (1 + 7 * i) for i in range(1000)}
        pairs["long"] = os.urandom(300_000)
        one = self.container.dict("many", pairs)
        again = self.pydaos.DCont("pool", "python")["many"]
        self.assertEqual(len(again), len(pairs))
        self.assertEqual(again.dump(), pairs)
        self.assertEqual(again.bget({"key 3": None, "none": None}), {"key 3": b"x" * 22, "none": None})
        one.bput({key: None for key in pairs if key != "long"})
        self.assertEqual(list(again), ["long"])

    def test_threads_share_a_dictionary(self):
        one = self.container.dict("threads")
        def work(thread):
            for i in range(50):
                one[f"{thread}/{i}"] = f"{thread * i}"
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(one.dump(), {f"{t}/{i}": str(t * i).encode() for t in range(4) for i in range(50)})

    def test_what_is_refused(self):
        one = self.container.dict("refused")
        for key, value, error in (("", b"1", ValueError), ("a\0b", b"1", ValueError), (1, b"1", TypeError),
                                  ("a", b"", ValueError), ("a", 1, TypeError)):
            with self.assertRaises(error):
                one[key] = value
        self.assertEqual(len(one), 0)
        self.assertRaises(self.pydaos.DObjNotFound, self.container.get, "nobody")
        self.assertRaises(self.pydaos.PyDError, self.container.dict, "refused")
        for names in (("pool", "nobody"), ("nobody", "python"), ("pool", "objects")):
            self.assertRaises(self.pydaos.PyDError, self.pydaos.DCont, *names)

    def test_removed_names_are_gone(self):
        self.container.dict("gone", {"a": b"1"})
        self.assertIn("gone", self.container)
        del self.container["gone"]
        self.assertNotIn("gone", list(self.container))
        self.assertEqual(len(self.container.dict("gone")), 0)

    @unittest.skipIf(numpy is None, "NumPy is not installed")
    def test_arrays_keep_type_shape_and_values(self):
        for dtype in ("float64", "int32", "complex64", "bool", ">u2"):
            values = numpy.arange(6 * 50_000).reshape(6, 50_000).astype(dtype)
            self.container.array(f"array {dtype}", values)
            again = self.container[f"array {dtype}"]
            self.assertEqual((again.dtype, again.shape), (values.dtype, values.shape))
            self.assertTrue(numpy.array_equal(again.read(), values))

    @unittest.skipIf(numpy is None, "NumPy is not installed")
    def test_arrays_in_parts_and_in_place(self):
        one = self.container.array("parts", (4, 100))
        self.assertFalse(one.read().any())
        one.write(numpy.ones(100), first=100)
        out = numpy.full(150, 7.0)
        self.assertIs(one.read(out, first=50), out)
        self.assertEqual((out[:50].sum(), out[50:].sum()), (0, 100))
        frozen = numpy.zeros(10)
        frozen.flags.writeable = False
        one.write(frozen)
        self.assertRaises(ValueError, one.read, frozen)
        self.assertRaises(ValueError, one.write, numpy.zeros((4, 4))[:, 1])
        self.assertRaises(TypeError, one.write, numpy.zeros(4, "int8"))
        self.assertRaises(IndexError, one.write, numpy.zeros(10), 391)
        self.assertRaises(TypeError, self.container.array, "objects", (4,), object)


if __name__ == "__main__":
    sys.path.insert(0, os.environ.get("VARVE_PYTHON", os.path.join(harness.BUILD, "python")))
    unittest.main(verbosity=2)
