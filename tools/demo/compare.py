#!/usr/bin/env python3
"""Compares trees without any code of ours: names, types, sizes, modes, modification times, symlinks, SHA-256.

  compare.py record MANIFEST ROOT   notes what ROOT (a file or a tree) holds
  compare.py check MANIFEST ROOT    1 and a line for each difference, if ROOT holds anything else
"""
import concurrent.futures
import hashlib
import json
import os
import stat
import sys


def digest(path):
    with open(path, "rb", buffering=0) as file:
        total = hashlib.sha256()
        while piece := file.read(1 << 20):
            total.update(piece)
        return total.hexdigest()


def describe(path):
    status = os.lstat(path)
    kind = "symlink" if stat.S_ISLNK(status.st_mode) else "directory" if stat.S_ISDIR(status.st_mode) else \
        "file" if stat.S_ISREG(status.st_mode) else "special"
    if kind == "symlink":
        return {"type": kind, "target": os.readlink(path)}
    entry = {"type": kind, "mode": oct(stat.S_IMODE(status.st_mode)), "mtime_ns": status.st_mtime_ns}
    if kind == "file":
        entry["size"] = status.st_size
    return entry


def walk(root):
    """Relative path -> what is there; "" is the root itself."""
    entries = {"": describe(root)}
    pending = [""] if entries[""]["type"] == "directory" else []
    while pending:
        folder = pending.pop()
        for name in os.listdir(os.path.join(root, folder)):
            relative = os.path.join(folder, name)
            entries[relative] = describe(os.path.join(root, relative))
            if entries[relative]["type"] == "directory":
                pending.append(relative)
    files = [relative for relative, entry in entries.items() if entry["type"] == "file"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for relative, sha in zip(files, pool.map(digest, [os.path.join(root, relative) if relative else root for relative in files])):
            entries[relative]["sha256"] = sha
    return entries


def differences(wanted, found):
    for relative in sorted(wanted.keys() | found.keys(), key=os.fsencode):
        if relative not in found:
            yield relative, "is missing"
        elif relative not in wanted:
            yield relative, "was never there"
        else:
            for field in sorted(wanted[relative].keys() | found[relative].keys()):
                old, new = wanted[relative].get(field), found[relative].get(field)
                if old != new:
                    yield relative, f"{field} was {old}, is {new}"


def main():
    verb, manifest, root = sys.argv[1:4]
    found = walk(os.path.abspath(root))
    files = [entry for entry in found.values() if entry["type"] == "file"]
    if verb == "record":
        with open(manifest, "w", encoding="utf-8", errors="surrogateescape") as out:
            json.dump(found, out)
    else:
        with open(manifest, encoding="utf-8", errors="surrogateescape") as file:
            wanted = json.load(file)
        bad = list(differences(wanted, found))
        for relative, what in bad[:20]:
            print(f"MISMATCH: {os.path.join(root, relative) if relative else root}: {what}".encode("unicode_escape").decode(), file=sys.stderr)
        if len(bad) > 20:
            print(f"MISMATCH: and {len(bad) - 20} more", file=sys.stderr)
        if bad:
            return 1
    print(len(files), sum(entry["size"] for entry in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
