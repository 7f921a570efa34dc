#!/usr/bin/env python3
"""Installs the build, builds the programs against it as anybody would, and runs them: README.md."""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "process"))
from harness import BUILD, Scratch, Server, run  # noqa: E402

PROGRAMS = ("simple_array simple_obj key_value dfs_files dfs_events event_parents share_fork fork_inherit "
            "list_split threads").split()
NEEDED = {"libdaos.so.2", "libdfs.so.2"}
PROJECT = """cmake_minimum_required(VERSION 3.20)
project(outside LANGUAGES C)
find_package(Varve REQUIRED)
add_executable(outside {source})
target_include_directories(outside PRIVATE {here})
target_link_libraries(outside PRIVATE Varve::dfs Varve::daos)
"""


def install(prefix):
    run("cmake", "--install", BUILD, "--prefix", prefix, timeout=120, check=True)
    for name in ("lib/libdaos.so", "lib/libdaos.so.2", "lib/libdfs.so", "lib/libduns.so", "lib/libgurt.so",
                 "lib/libgurt.so.4", "include/daos.h", "include/daos_fs.h", "include/gurt/common.h",
                 "lib/pkgconfig/daos.pc", "lib/pkgconfig/dfs.pc", "lib/pkgconfig/varve.pc",
                 "lib/cmake/Varve/VarveConfig.cmake"):
        assert os.path.exists(os.path.join(prefix, name)), f"not installed: {name}"


def by_make(prefix, out):
    os.makedirs(out)
    run("make", "-C", HERE, f"PREFIX={prefix}", f"OUT={out}", timeout=200, check=True)
    needed = run("readelf", "-d", os.path.join(out, "dfs_files"), check=True).out
    found = set(re.findall(r"NEEDED.*\[(.*?)\]", needed))
    assert NEEDED <= found, f"dfs_files needs {found}"


def by_pkg_config(prefix, out):
    environment = {"PKG_CONFIG_PATH": os.path.join(prefix, "lib/pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "dfs", env=environment, check=True).out.split()
    run("cc", "-std=gnu11", "-o", out, os.path.join(HERE, "dfs_files.c"), *flags,
        f"-Wl,-rpath,{prefix}/lib", check=True)
    versions = run("pkg-config", "--modversion", "daos", "varve", env=environment, check=True).out.split()
    assert versions[0].startswith("2."), versions


def by_cmake(prefix, folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "CMakeLists.txt"), "w") as project:
        project.write(PROJECT.format(source=os.path.join(HERE, "dfs_files.c"), here=HERE))
    build = os.path.join(folder, "build")
    run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", timeout=120, check=True)
    run("cmake", "--build", build, timeout=120, check=True)
    return os.path.join(build, "outside")


def expect_refusal(program, environment):
    """UCX does not survive a fork: the children are told at once."""
    begin = time.monotonic()
    done = run(program, "tank", env=environment, timeout=60)
    assert done.code != 0 and "does not survive a fork" in done.text, done.text
    assert time.monotonic() - begin < 10, "the refusal took too long"


def main():
    scratch = Scratch("programs")
    try:
        prefix, out = os.path.join(scratch.folder, "prefix"), os.path.join(scratch.folder, "out")
        install(prefix)
        by_make(prefix, out)
        by_pkg_config(prefix, os.path.join(scratch.folder, "packaged"))
        outside = by_cmake(prefix, os.path.join(scratch.folder, "project"))
        server = Server(os.path.join(scratch.folder, "server"), extra=["--memory"])
        scratch.servers.append(server)
        server.start()
        server.varve("pool", "create", "tank", "--size", "90%")
        ran = 0
        for way, environment in (("same host", server.environment()), ("TCP", server.tcp_environment())):
            for program in [os.path.join(out, name) for name in PROGRAMS] + [outside]:
                if way == "TCP" and program.endswith("fork_inherit"):
                    expect_refusal(program, environment)
                    continue
                begin = time.monotonic()
                done = run(program, "tank", env=environment, timeout=60)
                assert done.code == 0, f"{program} ({way}) ended with {done.code}: {done.text}"
                ran += 1
                print(f"{way}: {done.out.strip()} ({time.monotonic() - begin:.2f} s)")
        assert server.alive()
        print(f"programs: {len(PROGRAMS)} programs, {ran} runs")
    finally:
        scratch.close()


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, subprocess.SubprocessError) as failed:
        sys.exit(f"programs: FAILED: {failed}")
