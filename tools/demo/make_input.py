#!/usr/bin/env python3
"""make_input.py FOLDER BYTES: what the demo stores besides the system's own files: `big`, one file of BYTES bytes of
random-looking content (the same on every machine), and `odd`, a tree of the names, modes, sizes, times and links that go
wrong first."""
import os
import random
import sys


def big(path, size):
    content = random.Random(20240611)
    with open(path, "wb") as out:
        while size > 0:
            piece = content.randbytes(min(size, 1 << 22))
            out.write(piece)
            size -= len(piece)
    os.utime(path, ns=(1_600_000_000_123_456_789, 1_600_000_000_987_654_321))


def odd(folder):
    content = random.Random(7)
    os.makedirs(folder)

    def file(name, data, mode=0o644, time=1_700_000_000_000_000_001):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)
        os.utime(path, ns=(time, time))

    for size in (0, 1, 4095, 4096, 4097, 65536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 12345):
        file(f"size-{size}", content.randbytes(size))
    for mode in (0o400, 0o444, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o1644):
        file(f"mode-{mode:04o}", b"mode", mode)
    for time in (1, 999_999_999, 1_000_000_000, 4_000_000_000_123_456_789, 1_234_567_890_000_000_000):
        file(f"time-{time}", b"time", time=time)
    for name in ("with space", "ünïcödé-文件", "-dash", "back\\slash", "quote'\"", "new\nline", ".hidden", "n" * 255, "*?[a]", "tab\t"):
        file(f"names/{name}", name.encode())
    file("zeros", bytes(2 << 20))
    deep = os.path.join("deep", *(f"level-{i}" for i in range(40)), "leaf")
    file(deep, b"deep down")
    for i in range(600):
        file(f"many/{i:04}", content.randbytes(content.randrange(200)))
    os.makedirs(os.path.join(folder, "empty"))
    os.chmod(os.path.join(folder, "empty"), 0o2750)
    os.makedirs(os.path.join(folder, "links"))
    for name, target in (("to-file", "../size-4096"), ("to-folder", "../deep"), ("nowhere", "does/not/exist"), ("absolute", "/etc/hostname"),
                         ("itself", "itself"), ("long", "x/" * 1000 + "y"), ("up", "..")):
        os.symlink(target, os.path.join(folder, "links", name))
    for path, _, _ in os.walk(folder, topdown=False):
        os.utime(path, ns=(1_650_000_000_111_222_333, 1_650_000_000_444_555_666))


if __name__ == "__main__":
    root, size = sys.argv[1], int(sys.argv[2])
    odd(os.path.join(root, "odd"))
    big(os.path.join(root, "big"), size)
