#!/usr/bin/env python3
"""Writes the functions of the C interface that nobody has written yet: each returns -DER_NOSYS and logs its
name once. Also writes docs/api-status.md. Run it after a function was added; ./dev test checks that it was.

    tools/generate_stubs.py [--check]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# library: headers, folders with its implementation, file of its stubs
LIBRARIES = {
    "libdaos": (["daos.h", "daos_api.h", "daos_array.h", "daos_cont.h", "daos_event.h", "daos_kv.h", "daos_mgmt.h",
                 "daos_obj.h", "daos_obj_class.h", "daos_pipeline.h", "daos_pool.h", "daos_prop.h",
                 "daos_security.h", "daos_types.h", "daos_errno.h"],
                ["src/libdaos"], "src/libdaos/stubs.cc"),
    "libduns": (["daos_uns.h"], ["src/libdaos/uns"], "src/libdaos/uns/stubs.cc"),
    "libds3": (["daos_s3.h"], ["src/libdaos/s3"], "src/libdaos/s3/stubs.cc"),
    "libdfs": (["daos_fs.h", "daos_fs_sys.h"], ["src/posix"], "src/posix/api/stubs.cc"),
}
# Why a function is not written yet: the first pattern that its name matches.
REASONS = [
    (r"ds3_|daos_s3", "the S3 interface is later work"),
    (r"daos_pipeline|daos_filter", "pipelines run on the server, which is later work"),
    (r"daos_tx_(open|commit|abort|restart)$", "transactions that write are later work"),
    (r"daos_oit_|daos_cont_snap_oit|daos_cont_rollback|daos_obj_key2anchor|dfs_cont_check|dfs_obj_fix", "with snapshots"),
    (r"daos_cont_subscribe", "nobody is told of snapshots yet: list them"),
    (r"daos_obj_register_class", "classes are those of the table; ones of a container's own come with redundancy"),
    (r"daos_debug_set_params", "servers have no parameters for tests: simulation injects faults"),
    (r"daos_mgmt_get_bs_state", "devices have no UUID of their own; `varve system query` shows their state"),
    (r"daos_pool_stop_svc", "a pool's service has one replica and no leader to stop yet"),
]
DECLARATION = re.compile(r"^([A-Za-z_][\w\s\*]*?[\s\*])(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*$")


def declarations(header):
    """(return type, name, parameters, inline) of every function that the header declares."""
    text = (ROOT / "include" / header).read_text()
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    text = text.replace('extern "C" {', "")
    statements, depth, current = [], 0, ""
    for character in text:
        if character == "{":
            if depth == 0:
                statements.append((current, True))
                current = ""
            depth += 1
        elif character == "}":
            depth = max(0, depth - 1)
        elif depth == 0 and character == ";":
            statements.append((current, False))
            current = ""
        elif depth == 0:
            current += character
    for statement, body in statements:
        flat = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", " ".join(statement.split()))
        if flat.startswith("typedef") or flat.startswith("struct") and "(" not in flat:
            continue
        match = DECLARATION.match(flat)
        if match:
            returns = match.group(1).strip()
            inline = body or "static inline" in returns
            yield returns.replace("static inline", "").strip(), match.group(2), match.group(3).strip(), inline


def written(folders, stubs):
    """Names of functions that the sources of the folders define."""
    names = set()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.cc")):
            if path == ROOT / stubs:
                continue
            names.update(re.findall(r"^[A-Za-z_][\w\s\*]*?[\s\*](\w+)\(", path.read_text(), flags=re.M))
    return names


def parameter_type(parameter):
    """The parameter without its name, so that it is not unused."""
    parameter = parameter.strip()
    if parameter in ("", "void", "..."):
        return parameter
    array = "[]" if re.search(r"\[\w*\]$", parameter) else ""
    bare = re.sub(r"\[\w*\]$", "", parameter).strip()
    match = re.match(r"^(.*?[\s\*])(\w+)$", bare)
    keyword = {"int", "char", "void", "bool", "long", "unsigned", "double", "float", "short"}
    if "(" in bare or not match or match.group(2) in keyword:
        return parameter
    # `const char *const names[]`: the name goes, the rest stays.
    return match.group(1).strip() + array


def stub(returns, name, parameters):
    types = ", ".join(parameter_type(p) for p in parameters.split(","))
    types = "" if types == "void" else types
    if returns == "void":
        body = f'not_implemented("{name}");'
    elif returns.endswith("*"):
        body = f'not_implemented("{name}");\n  return nullptr;'
    elif returns == "bool":
        body = f'not_implemented("{name}");\n  return false;'
    else:
        body = f'return not_implemented("{name}");'
    line = f"{returns} {name}({types}) {{"
    if len(line) > 100:
        words, lines, current = types.split(", "), [], f"{returns} {name}("
        for i, word in enumerate(words):
            piece = word + (", " if i + 1 < len(words) else ") {")
            if len(current) + len(piece) > 100:
                lines.append(current.rstrip())
                current = "    "
            current += piece
        line = "\n".join(lines + [current])
    return f"{line}\n  {body}\n}}\n"


def main():
    check = "--check" in sys.argv
    status, stale = [], []
    total = done = 0
    for library, (headers, folders, target) in LIBRARIES.items():
        names, seen, stubs, rows = written(folders, target), set(), [], []
        for header in headers:
            if not (ROOT / "include" / header).exists():
                continue
            for returns, name, parameters, inline in declarations(header):
                if name in seen:
                    continue
                seen.add(name)
                there = inline or name in names
                why = next((text for pattern, text in REASONS if re.match(pattern, name)), "not written yet")
                rows.append((header, name, "header" if inline else "yes" if there else "no: " + why))
                if not there:
                    stubs.append(stub(returns, name, parameters))
        includes = "\n".join(f'#include "{h}"' for h in headers if (ROOT / "include" / h).exists())
        text = ("// Functions of the C interface that are not written yet. Generated by tools/generate_stubs.py: run it,\n"
                "// do not edit.\n// clang-format off\n" + includes + '\n#include "libdaos/not_implemented.h"\n\nusing varve::libdaos::not_implemented;\n\n'
                'extern "C" {\n\n' + "\n".join(stubs) + '\n}  // extern "C"\n')
        path = ROOT / target
        # libdfs takes part once its file of stubs is there.
        if path.exists() or library != "libdfs":
            if not path.exists() or path.read_text() != text:
                stale.append(target)
                if not check:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text)
        ready = sum(1 for row in rows if not row[2].startswith("no: "))
        total, done = total + len(rows), done + ready
        status.append(f"\n## {library}: {ready} of {len(rows)}\n\n| header | function | |\n| --- | --- | --- |\n" +
                      "".join(f"| {h} | `{n}` | {s} |\n" for h, n, s in rows))
    document = ("# The C interface, function by function\n\nGenerated by `tools/generate_stubs.py` from the headers and the "
                f"sources. {done} of {total} functions do something; the others return `-DER_NOSYS`\nand log their name once. "
                "\"header\": inline in the header.\n" + "".join(status))
    path = ROOT / "docs" / "api-status.md"
    if not path.exists() or path.read_text() != document:
        stale.append("docs/api-status.md")
        if not check:
            path.write_text(document)
    if check and stale:
        sys.exit("out of date, run tools/generate_stubs.py: " + ", ".join(stale))


main()
