#!/usr/bin/env python3
"""Installs the build, builds examples/ against it as anybody would, and runs them: README.md."""
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLES = os.path.join(ROOT, "examples")
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "process"))
from harness import BUILD, Scratch, Server, run  # noqa: E402

PROGRAMS = sorted(name[:-3] for name in os.listdir(EXAMPLES) if name.endswith(".cc"))
COMPILERS = [name for name in ("clang++-16", "g++-12") if shutil.which(name)]


def install(prefix):
    run("cmake", "--install", BUILD, "--prefix", prefix, timeout=120, check=True)
    for name in ("lib/libvarve.so", "lib/pkgconfig/varve.pc", "lib/cmake/Varve/varve-config.cmake", "include/varve/varve.h"):
        assert os.path.exists(os.path.join(prefix, name)), f"not installed: {name}"


def check_headers(prefix):
    """The public headers include the standard library and themselves."""
    folder = os.path.join(prefix, "include/varve")
    for where, _, names in os.walk(folder):
        for name in names:
            if name == "dfs_extensions.h":
                continue
            with open(os.path.join(where, name)) as header:
                for included in re.findall(r"#include [<\"](.*?)[>\"]", header.read()):
                    assert included.startswith("varve/") or re.fullmatch(r"[a-z_]+", included), f"{name} includes {included}"


def check_library(prefix):
    library = os.path.join(prefix, "lib/libvarve.so")
    dynamic = run("readelf", "-d", library, check=True).out
    assert re.search(r"SONAME.*\[libvarve\.so\.\d+\]", dynamic), dynamic
    exported = run("nm", "-DC", "--defined-only", library, check=True).out.splitlines()
    strangers = [line for line in exported if "varve::v1::" not in line and " A " not in line]
    assert not strangers, f"libvarve exports {strangers[:3]}"


def by_cmake(prefix, build):
    run("cmake", "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={COMPILERS[0] if COMPILERS else 'c++'}", timeout=120, check=True)
    run("cmake", "--build", build, "-j2", timeout=400, check=True)
    return [os.path.join(build, name) for name in PROGRAMS]


def by_pkg_config(prefix, folder):
    os.makedirs(folder)
    flags = run("pkg-config", "--cflags", "--libs", "varve",
                env={"PKG_CONFIG_PATH": os.path.join(prefix, "lib/pkgconfig")}, check=True).out.split()
    made = []
    for compiler in COMPILERS:
        made.append(os.path.join(folder, f"coroutine_copy-{compiler}"))
        run(compiler, "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-o", made[-1],
            os.path.join(EXAMPLES, "coroutine_copy.cc"), *flags, f"-Wl,-rpath,{prefix}/lib", timeout=200, check=True)
    return made


def main():
    assert len(PROGRAMS) >= 10, PROGRAMS
    scratch = Scratch("examples")
    try:
        prefix = os.path.join(scratch.folder, "prefix")
        install(prefix)
        check_headers(prefix)
        check_library(prefix)
        programs = by_cmake(prefix, os.path.join(scratch.folder, "cmake"))
        programs += by_pkg_config(prefix, os.path.join(scratch.folder, "packaged"))
        server = Server(os.path.join(scratch.folder, "server"), extra=["--memory"])
        scratch.servers.append(server)
        server.start()
        server.varve("pool", "create", "tank", "--size", "90%")
        for way, environment in (("same host", server.environment()), ("TCP", server.tcp_environment())):
            for program in programs:
                begin = time.monotonic()
                done = run(program, "tank", env=environment, timeout=60)
                assert done.code == 0, f"{program} ({way}) ended with {done.code}: {done.text}"
                print(f"{way}: {done.out.strip().splitlines()[-1]} ({time.monotonic() - begin:.2f} s)")
        assert server.alive()
        left = server.json("container", "list", "tank")
        assert not left, f"containers were left behind: {left}"
        print(f"examples: {len(programs)} programs, each over two transports")
    finally:
        scratch.close()


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, subprocess.SubprocessError) as failed:
        sys.exit(f"examples: FAILED: {failed}")
