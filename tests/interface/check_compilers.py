#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check that generate_check.py writes, compiled and run by every compiler that is there: C11 and C++11,
gcc and clang. What one of them lays out or names differently does not compile.

check_compilers.py TABLE INCLUDE
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMPILERS = [("gcc-12", "c11", "c"), ("clang-16", "c11", "c"),
             ("g++-12", "c++11", "cc"), ("clang++-16", "c++11", "cc")]


def main():
    table, include = sys.argv[1:]
    tried = 0
    with tempfile.TemporaryDirectory(prefix="varve-interface-") as folder:
        for program, standard, language in COMPILERS:
            if not shutil.which(program):
                continue
            source, binary = os.path.join(folder, f"check.{language}"), os.path.join(folder, "check")
            subprocess.run([sys.executable, os.path.join(HERE, "generate_check.py"), table, source], check=True)
            made = subprocess.run([program, f"-std={standard}", "-Wall", "-Wextra", "-Werror", f"-I{include}", source,
                                   "-o", binary], capture_output=True, text=True)
            if made.returncode != 0:
                sys.exit(f"{program} -std={standard}:\n{made.stderr[:4000]}")
            ran = subprocess.run([binary], capture_output=True, text=True)
            print(f"{program} -std={standard}: {ran.stdout.strip()}")
            if ran.returncode != 0:
                sys.exit("the headers differ from the table")
            tried += 1
    sys.exit(tried == 0)


if __name__ == "__main__":
    main()
