#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every public C header alone, without warnings: C99 and C11, C++11 and C++20, gcc and clang
(those there are).

compile_headers.py INCLUDE
"""
import pathlib
import shutil
import subprocess
import sys

COMPILERS = [(f"{program} -std={standard} -x {language}", program)
             for language, programs, standards in (("c", ("gcc-12", "clang-16"), ("c99", "c11")),
                                                   ("c++", ("g++-12", "clang++-16"), ("c++11", "c++20")))
             for program in programs for standard in standards]


def main():
    include = pathlib.Path(sys.argv[1])
    headers = sorted(str(p.relative_to(include)) for pattern in ("daos*.h", "gurt/*.h", "cart/*.h")
                     for p in include.glob(pattern))
    bad = tried = 0
    for command, program in COMPILERS:
        if not shutil.which(program):
            continue
        for header in headers:
            arguments = command.split() + ["-Wall", "-Wextra", "-pedantic", "-Werror",
                                           "-fsyntax-only", f"-I{include}", "-"]
            result = subprocess.run(arguments, input=f"#include <{header}>\n#include <{header}>\n",
                                    capture_output=True, text=True)
            tried += 1
            if result.returncode != 0:
                bad += 1
                print(f"{command} {header}:\n{result.stderr}")
    print(f"{len(headers)} headers, {tried} compilations, {bad} with warnings or errors")
    sys.exit(bad != 0 or tried == 0 or not headers)


if __name__ == "__main__":
    main()
