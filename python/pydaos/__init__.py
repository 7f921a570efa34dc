"""Varve's containers as Python objects: dictionaries (DDict) and NumPy arrays (DArray) by name.

    import pydaos
    container = pydaos.DCont("pool", "container")      # made with --type PYTHON
    places = container.dict("places", {"a": b"1"})
    places["b"] = b"2"
    print(places.dump(), len(places))
"""
import struct
from collections.abc import MutableMapping

from . import _module

__all__ = ["DCont", "DDict", "DArray", "DObjNotFound", "PyDError"]

_LAYOUT_PYTHON = 3
_KV, _ARRAY_BYTES = 8, 13  # DAOS_OT_KV_HASHED, DAOS_OT_ARRAY_BYTE
_ROOT = (1 << 64) - 1      # the number of the dictionary of names; docs/formats/python.md
_ENTRY = struct.Struct("<HHIQQ")  # version, kind, zero, object id low and high
_VERSION, _KIND_DICT, _KIND_ARRAY = 1, 1, 2
_CHUNK_BYTES = 1 << 20
_TYPES = (str, bytes, bytearray, memoryview)


class PyDError(Exception):
    """A call that failed: what, and the number of libdaos (negative, as -1005 for -DER_NONEXIST)."""

    def __init__(self, what, number):
        super().__init__(f"{what} ({number})")
        self.number = number


class DObjNotFound(Exception):
    """The container has no object of this name."""


def _call(function, *arguments):
    try:
        return function(*arguments)
    except RuntimeError as error:
        if len(error.args) != 2:
            raise
        raise PyDError(error.args[1], error.args[0]) from None


def _bytes(value):
    if not isinstance(value, _TYPES):
        raise TypeError(f"a value is text or bytes, not {type(value).__name__}")
    found = value.encode() if isinstance(value, str) else value
    if not len(found):
        raise ValueError("a value of no bytes cannot be stored")
    return found


def _key(key):
    if not isinstance(key, str):
        raise TypeError(f"a key is text, not {type(key).__name__}")
    if not key or "\0" in key:
        raise ValueError("a key is not empty, and has no NUL")
    return key


class DDict(MutableMapping):
    """A dictionary in a container: keys are text, values bytes (text is stored as UTF-8)."""

    def __init__(self, container, name, oid):
        self.name, self._container, self._oid = name, container, oid
        self._handle = None
        self._handle = _call(_module.kv_open, container._handle, *oid)

    def put(self, key, value):
        """Sets a key; None removes it."""
        self.bput({key: value})

    def get(self, key, default=None):
        """The key's value, or `default`."""
        value = _call(_module.kv_get, self._handle, [_key(key)])[0]
        return default if value is None else value

    def bput(self, pairs):
        """Sets many keys at once; those of None are removed."""
        keys = [_key(key) for key, value in pairs.items() if value is not None]
        values = [_bytes(value) for value in pairs.values() if value is not None]
        gone = [_key(key) for key, value in pairs.items() if value is None]
        if keys:
            _call(_module.kv_put, self._handle, keys, values)
        if gone:
            _call(_module.kv_remove, self._handle, gone)

    def bget(self, pairs, value_size=None):
        """Fills in the values of the keys of `pairs`, at once; None where there is none. Returns it.
        `value_size` is taken for DAOS's sake: values come whole, however long they are."""
        keys = [_key(key) for key in pairs]
        for key, value in zip(keys, _call(_module.kv_get, self._handle, keys)):
            pairs[key] = value
        return pairs

    def dump(self):
        """All of it, as a dict."""
        found = self.bget(dict.fromkeys(self))
        return {key: value for key, value in found.items() if value is not None}

    def __getitem__(self, key):
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self.put(key, value)

    def __delitem__(self, key):
        if key not in self:
            raise KeyError(key)
        self.put(key, None)

    def __contains__(self, key):
        return self.get(key) is not None

    def __iter__(self):
        anchor, end = None, False
        while not end:
            keys, anchor, end = _call(_module.kv_list, self._handle, anchor)
            yield from keys

    def __len__(self):
        return sum(1 for _ in self)

    def __bool__(self):
        return True

    def close(self):
        """Lets go of the object; done by itself too."""
        if self._handle is not None:
            _module.kv_close(self._handle)
            self._handle = None

    __del__ = close


class DArray:
    """An array of one NumPy type and shape; memory goes in and out without a copy."""

    def __init__(self, container, name, oid, dtype, shape):
        import numpy
        self.name, self._container, self._oid = name, container, oid
        self._handle = None
        self.dtype, self.shape = numpy.dtype(dtype), tuple(shape)
        self._handle = _call(_module.array_open, container._handle, *oid, 1, _CHUNK_BYTES)

    @property
    def size(self):
        """Elements."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    def _place(self, array, first, writes):
        import numpy
        if not isinstance(array, numpy.ndarray) or array.dtype != self.dtype:
            raise TypeError(f"this takes a NumPy array of type {self.dtype}")
        if not array.flags.c_contiguous or not (writes or array.flags.writeable):
            raise ValueError("the array's memory must be in one piece, and writable to be read into")
        if first < 0 or first + array.size > self.size:
            raise IndexError(f"elements {first} to {first + array.size} of {self.size}")
        return first * self.dtype.itemsize, array.nbytes

    def write(self, array, first=0):
        """Stores the elements of `array` from element `first` on (in C order)."""
        offset, length = self._place(array, first, True)
        if length:
            _call(_module.array_write, self._handle, offset, length, array)

    def read(self, out=None, first=0):
        """Into `out`, or into a new array of the whole shape. What was never written is 0."""
        import numpy
        if out is None:
            out = numpy.empty(self.shape, self.dtype)
        offset, length = self._place(out, first, False)
        if length:
            _call(_module.array_read, self._handle, offset, length, out)
        return out

    def close(self):
        """Lets go of the object; done by itself too."""
        if self._handle is not None:
            _module.array_close(self._handle)
            self._handle = None

    __del__ = close


class DCont:
    """An open container of type PYTHON, whose objects have names."""

    def __init__(self, pool, cont):
        """Label or UUID of both."""
        self._handle = None
        self._pool, self._handle, layout = _call(_module.container_open, pool, cont)
        if layout != _LAYOUT_PYTHON:
            self.close()
            raise PyDError(f"container '{cont}' is not of --type PYTHON", -1003)
        root = _call(_module.object_id, self._handle, _ROOT, _KV, 0)
        self._names = DDict(self, "", root)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _entry(self, name):
        raw = self._names.get(name)
        if raw is None:
            raise DObjNotFound(f"the container has no object '{name}'")
        version, kind, zero, low, high = _ENTRY.unpack_from(raw) if len(raw) >= _ENTRY.size else (0,) * 5
        if version != _VERSION or zero or kind not in (_KIND_DICT, _KIND_ARRAY):
            raise PyDError(f"the entry of '{name}' is damaged, or newer than this library", -2013)
        return kind, (low, high), raw[_ENTRY.size:]

    def _new(self, name, kind, object_type, object_class, rest=b""):
        if name in self._names:
            raise PyDError(f"the container has an object '{name}' already", -1004)
        oid = _call(_module.object_id, self._handle, 0, object_type, object_class)
        self._names.put(name, _ENTRY.pack(_VERSION, kind, 0, *oid) + rest)
        return oid

    def get(self, name):
        """The object of this name; DObjNotFound."""
        kind, oid, rest = self._entry(name)
        if kind == _KIND_DICT:
            return DDict(self, name, oid)
        dtype, shape = rest.decode().split(" ")
        return DArray(self, name, oid, dtype, [int(length) for length in shape.split(",") if length])

    __getitem__ = get

    def dict(self, name, values=None, object_class=0):
        """A new dictionary, with `values` in it. object_class: a number of DAOS's, 0: the default."""
        made = DDict(self, name, self._new(name, _KIND_DICT, _KV, object_class))
        if values:
            made.bput(values)
        return made

    def array(self, name, shape, dtype="float64", object_class=0):
        """A new array of zeros; `shape` may be a NumPy array, which is stored then."""
        import numpy
        values = shape if isinstance(shape, numpy.ndarray) else None
        if values is not None:
            shape, dtype = values.shape, values.dtype
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        dtype = numpy.dtype(dtype)
        if dtype.hasobject or dtype.fields:
            raise TypeError(f"arrays of type {dtype} cannot be stored")
        rest = f"{dtype.str} {','.join(str(int(length)) for length in shape)}".encode()
        made = DArray(self, name, self._new(name, _KIND_ARRAY, _ARRAY_BYTES, object_class, rest),
                      dtype, shape)
        if values is not None:
            made.write(numpy.ascontiguousarray(values))
        return made

    def remove(self, name):
        """Removes an object and its name; DObjNotFound."""
        one = self.get(name)
        destroy = _module.kv_destroy if isinstance(one, DDict) else _module.array_destroy
        _call(destroy, one._handle)
        one.close()
        self._names.put(name, None)

    __delitem__ = remove

    def __contains__(self, name):
        return name in self._names

    def __iter__(self):
        return iter(self._names)

    def close(self):
        """Lets go of the container; done by itself too."""
        if self._handle is not None:
            if hasattr(self, "_names"):
                self._names.close()
            handle, self._handle = self._handle, None
            _call(_module.container_close, self._pool, handle)

    def __del__(self):
        self.close()
