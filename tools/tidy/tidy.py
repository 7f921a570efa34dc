#!/usr/bin/env python3
"""Checks what the compiler does not: layer order, sizes, names, links in documents, banned tokens, disk and wire
structs. Prints one line a finding; exits 1 if there is any. `tidy.py [--headers]`: also compiles every header alone."""
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
findings = []


def finding(path, line, text):
    findings.append(f"{path}:{line}: {text}")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
    return [p for p in out.stdout.splitlines() if os.path.isfile(p)]


LAYERS = open("src/LAYERS").read().split()
ORDER = {name: number for number, name in enumerate(LAYERS)}
# The seams: only these may name what belongs to the operating system.
SEAM_FOLDERS = {"runtime", "device", "network"}
SHELL_FILES = {"main.cc", "launcher.cc", "process.cc"}
BANNED_EVERYWHERE = [
    (r"\bstd::shuffle\b|\bstd::hash<(?!varve)", "standard-library behaviour must not decide a layout"),
    (r"\bgoto\b", "no goto"),
    (r"\bTODO\b|\bFIXME\b|\bXXX\b", "open ends belong in an issue"),
    (r"(?<!\w)::sleep\(|\busleep\(|\bnanosleep\(|std::this_thread::sleep", "wait for a condition, not for time"),
]
BANNED_OUTSIDE_SEAMS = [
    (r"\bclock_gettime\b|\bgettimeofday\b|std::chrono::(system|steady|high_resolution)_clock", "time comes from runtime/"),
    (r"\bgetrandom\b|\brand\(\)|std::random_device|std::mt19937", "randomness comes from runtime/"),
    (r"\bstd::thread\b|\bpthread_create\b|\bstd::async\b", "threads come from runtime/"),
    (r"::socket\(|\bsocketpair\(|::accept\(", "sockets come from network/"),
    (r"\bO_DIRECT\b|::pread\(|::pwrite\(|std::[io]?fstream", "files come from device/"),
]
# Composition roots and programs that live outside the seams by nature: they start threads and read files.
FREE_FOLDERS = {"command", "engine", "libdaos", "native", "posix"}


def check_source(path):
    lines = open(path, encoding="utf-8").read().split("\n")
    is_test = path.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")) or path.startswith(("tests/", "bench/"))
    if len(lines) > 1000:
        finding(path, 1, f"{len(lines)} lines; a file has at most 1,000")
    parts = path.split("/")
    folder = parts[1] if parts[0] == "src" else None
    if folder and folder not in ORDER:
        finding(path, 1, f"folder {folder} is not in src/LAYERS")
    base = os.path.basename(path)
    if not re.fullmatch(r"[a-z0-9_]+\.(cc|h|c)", base):
        finding(path, 1, "file names are snake_case")
    for number, line in enumerate(lines, 1):
        if len(line) > 120:
            finding(path, number, f"line of {len(line)} columns; at most 120")
        match = re.match(r'\s*#include\s+"([^"]+)"', line)
        if match and folder and not is_test:
            target = match.group(1).split("/")[0]
            if target == "simulation":
                finding(path, number, "simulation/ is never part of a program")
            elif target in ORDER and folder in ORDER and ORDER[target] > ORDER[folder]:
                finding(path, number, f"{folder}/ includes {target}/, which is below it in src/LAYERS")
            elif folder == "client" and target in ORDER and target in ("pool", "container", "object") and not match.group(1).endswith("wire.h"):
                finding(path, number, "client/ includes only wire.h of the service folders")
        if base.endswith(".h") and folder and re.search(r"#include\s+<(boost|nlohmann|spdlog)/(?!json_fwd)", line):
            finding(path, number, "heavy headers only in .cc files")
        code = re.sub(r"//.*|\"(\\.|[^\"\\])*\"", "", line)
        if is_test or not folder:
            continue
        for pattern, why in BANNED_EVERYWHERE:
            if re.search(pattern, code):
                finding(path, number, f"banned: {why}")
        if folder in SEAM_FOLDERS or folder in FREE_FOLDERS or base in SHELL_FILES:
            continue
        for pattern, why in BANNED_OUTSIDE_SEAMS:
            if re.search(pattern, code):
                finding(path, number, f"banned: {why}")


def check_functions(path):
    """Functions of at most 70 lines is the rule; 120 is what this check refuses."""
    lines = open(path, encoding="utf-8").read().split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"^[A-Za-z_].*\)( const)?( noexcept)?( override)? \{$", line) and not line.startswith(("namespace", "struct", "class", "extern")):
            start = number
        elif line == "}" and start:
            if number - start > 120:
                finding(path, start, f"function of {number - start} lines; at most 120 (aim at 70)")
            start = None


def check_document(path):
    text = open(path, encoding="utf-8").read()
    for number, line in enumerate(text.split("\n"), 1):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            if not os.path.exists(os.path.normpath(os.path.join(os.path.dirname(path), target))):
                finding(path, number, f"link to '{target}', which is not there")
        if path == "STYLE.md":
            continue  # names files of other projects
        for target in re.findall(r"`((?:src|include|simulation|tests|bench|docs|cmake|tools)/[A-Za-z0-9_./-]+)`", line):
            if not os.path.exists(target.rstrip("/")):
                finding(path, number, f"names `{target}`, which is not there")


def check_structs(path):
    """A struct that says it lies on a disk or wire (`// on disk` / `// on wire` above it) has its size asserted."""
    text = open(path, encoding="utf-8").read()
    for match in re.finditer(r"// on (?:disk|wire)[^\n]*\n(?:template[^\n]*\n)?struct (?:\[\[[^\]]*\]\] )?(?:alignas\(\d+\) )?(\w+)", text):
        if not re.search(r"static_assert\(sizeof\(" + match.group(1) + r"\)", text):
            finding(path, text.count("\n", 0, match.start()) + 1, f"struct {match.group(1)} lies on disk or wire without a static_assert of its size")


def with_includes(path, seen):
    """The project's files that compiling `path` reads, itself first."""
    if path in seen:
        return
    seen[path] = None
    for name in re.findall(r'#include\s+["<]([^">]+)[">]', open(path, encoding="utf-8").read()):
        for folder in ("src/", "", "include/"):
            if os.path.isfile(folder + name):
                with_includes(folder + name, seen)
                break


def check_headers(paths):
    """Compiles each header alone, two at a time; one that passed is not compiled again until what it includes changes."""
    command = ["clang++-16", "-std=gnu++20", "-fsyntax-only", "-Wall", "-Wno-pragma-once-outside-header", "-Isrc", "-I.", "-Iinclude", "-x", "c++"]
    definitions = {"src/native/": ["-DVARVE_BUILDS_LIBVARVE=1"]}  # as the folder's CMakeLists.txt says
    cache = "build/tidy-headers"
    passed = set(open(cache).read().split()) if os.path.exists(cache) else set()

    def key(path):
        seen = {}
        with_includes(path, seen)
        digest = hashlib.sha256(" ".join(command).encode())
        for each in seen:
            digest.update(each.encode() + open(each, "rb").read())
        return digest.hexdigest()

    keys = {path: key(path) for path in paths}
    wanted = [path for path in paths if keys[path] not in passed]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        def compile_alone(path):
            more = [each for folder, flags in definitions.items() if path.startswith(folder) for each in flags]
            return subprocess.run(command + more + [path], capture_output=True, text=True)

        runs = pool.map(compile_alone, wanted)
        for path, run in zip(wanted, runs):
            if run.returncode:
                finding(path, 1, "does not compile alone: " + run.stderr.split("\n")[0][:160])
                keys.pop(path)
    os.makedirs("build", exist_ok=True)
    with open(cache, "w") as out:
        out.write("\n".join(keys.values()))


files = tracked()
sources = [p for p in files if p.endswith((".cc", ".h", ".c")) and p.startswith(("src/", "simulation/", "tests/", "bench/"))]
for path in sources:
    if path.startswith("tests/interface/"):
        continue
    check_source(path)
    if path.endswith(".cc"):
        check_functions(path)
    check_structs(path)
for path in files:
    if path.endswith(".md"):
        check_document(path)
folders = {}
for path in sources:
    folders.setdefault(os.path.dirname(path), []).append(path)
for folder, members in folders.items():
    if folder.startswith("src/") and len(members) > 45:
        finding(folder, 1, f"{len(members)} files; a folder has about 30, 45 at the most")
for layer in LAYERS:
    if os.path.isdir(f"src/{layer}") and not os.path.exists(f"src/{layer}/README.md"):
        finding(f"src/{layer}", 1, "a folder has a README.md")
headers = [p for p in sources if p.endswith(".h") and p.startswith(("src/", "simulation/"))]
if "--headers" in sys.argv:
    check_headers(headers)
for line in findings:
    print(line)
print(f"tidy: {len(files)} files, {len(sources)} sources, {len(headers)} headers, {len(findings)} findings")
sys.exit(1 if findings else 0)
