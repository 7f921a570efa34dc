#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes include/daos*.h, include/gurt/types.h and include/cart/types.h.

Facts (names, values, layouts, signatures) come from tests/interface/libdaos-api.json; order,
comments, inline functions and macros that are no plain values come from the templates in
tools/headers/.

A template's first line is the header's purpose. `@begin` opens extern "C"; `@macros`, `@types` and
`@functions` insert what the table lists for that header; `@errors RANGE FIRST LAST` inserts one
error list.
`--check` writes nothing and fails if a committed header differs from what would be written.
"""
import json
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
API = json.loads((ROOT / "tests/interface/libdaos-api.json").read_text())
TEMPLATES = ROOT / "tools/headers"
WIDTH = 100


def read_pairs(name):
    """One `NAME: text` per line; blank lines and lines that start with # are skipped."""
    pairs = {}
    for line in (TEMPLATES / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            key, text = line.split(":", 1)
            pairs[key.strip()] = text.strip()
    return pairs


COMMENTS = read_pairs("comments.txt")
ERRORS = read_pairs("errors.txt")
EXPRESSIONS = read_pairs("expressions.txt")
used_comments = set()


def comment_of(*names):
    for name in names:
        if name and name in COMMENTS:
            used_comments.add(name)
            lines = textwrap.wrap(COMMENTS[name], WIDTH - 7)
            if len(lines) == 1:
                return f"/** {lines[0]} */\n"
            return "/**\n" + "".join(f" * {line}\n" for line in lines) + " */\n"
    return ""


def spelled(c_type):
    """`char * *` and `_Bool` of the table, as one writes them."""
    c_type = re.sub(r"\b_Bool\b", "bool", c_type)
    return re.sub(r"\*\s+\*", "**", c_type)


def declare(c_type, name):
    """The declaration of `name`; types as in the table: `char[8]`, `int (*)(void)`, `void *`."""
    c_type = spelled(c_type)
    if "(*)" in c_type:
        return c_type.replace("(*)", f"(*{name})", 1)
    function = re.fullmatch(r"(\w+) (\(.*\))", c_type)
    if function:
        return f"{function[1]} {name}{function[2]}"
    base, suffix = re.fullmatch(r"(.*?)((?:\[\w*\])*)", c_type).groups()
    gap = "" if base.endswith("*") else " "
    return f"{base}{gap}{name}{suffix}"


def emit_macros(header):
    out = []
    for name, value in API[header].get("macros", {}).items():
        if value in (None, "function-like"):
            continue
        if name in EXPRESSIONS:
            value = EXPRESSIONS[name]
        elif re.fullmatch(r"\d+", value) and int(value) > 0x7FFFFFFF:
            value = f"{value}U" if int(value) <= 0xFFFFFFFF else f"{value}ULL"
        elif value.startswith("-"):
            value = f"({value})"
        out.append(comment_of(name) + f"#define {name} {value}\n")
    return "".join(out)


def emit_enum(enum, typedef):
    tag = enum.get("tag")
    first = next(iter(enum["values"]))
    names = enum["values"].items()
    wide = max(len(name) for name, _ in names)
    body = ""
    for name, value in names:
        text = hex(value) if value >= 0x10000 else str(value)
        note = f" /**< {COMMENTS[name]} */" if name in COMMENTS and name != first else ""
        if note:
            used_comments.add(name)
        if header_is_error(enum) and name in ERRORS:
            note = f" /**< {ERRORS[name]} */"
        body += f"  {name.ljust(wide)} = {text},{note}\n"
    head = "typedef enum" if typedef else "enum"
    tail = f" {typedef}" if typedef else ""
    return comment_of(tag, first) + f"{head}{' ' + tag if tag else ''} {{\n{body}}}{tail};\n"


def header_is_error(enum):
    return enum.get("tag") == "daos_errno"


def emit_fields(fields, indent):
    out = ""
    pad = " " * indent
    for field in fields:
        if field["type"].startswith("(inline "):
            kind = field["type"][len("(inline "):-1]
            name = f" {field['name']}" if field["name"] else ""
            extension = "" if name else "__extension__ "
            inner = emit_fields(field["fields"], indent + 2)
            out += f"{pad}{extension}{kind} {{\n{inner}{pad}}}{name};\n"
            continue
        text = declare(field["type"], field["name"])
        if "bits" in field:
            text += f" : {field['bits']}"
        if text.endswith("[]"):
            text = "__extension__ " + text
        note = COMMENTS.get(f"{field['name']}")
        if note:
            used_comments.add(field["name"])
        out += f"{pad}{text};{f' /**< {note} */' if note else ''}\n"
    return out


def without_warning(name, text):
    return ("#ifdef __clang__\n#pragma clang diagnostic push\n"
            f'#pragma clang diagnostic ignored "-W{name}"\n#endif\n{text}'
            "#ifdef __clang__\n#pragma clang diagnostic pop\n#endif\n")


def emit_struct(struct, typedef):
    head = f"typedef {struct['kind']}" if typedef else struct["kind"]
    tail = f" {typedef}" if typedef else ""
    body = emit_fields(struct["fields"], 2)
    text = comment_of(struct["tag"], typedef) + f"{head} {struct['tag']} {{\n{body}}}{tail};\n"
    if any(f["type"].endswith("[]") for f in struct["fields"]):  # clang calls these foreign to C++
        return without_warning("c99-extensions", text)
    return text


def identifiers(text):
    return set(re.findall(r"[A-Za-z_]\w*", text))


def emit_types(header):
    """Enums, typedefs and structs, each after those it names."""
    part = API[header]
    typedefs = dict(part.get("typedefs", []))
    items = []  # names it defines, names it needs, text
    taken = set()

    def alias_of(spelling):
        for name, target in typedefs.items():
            if target == spelling:
                taken.add(name)
                return name
        return None

    for enum in part.get("enums", []):
        tag = enum.get("tag")
        alias = alias_of(f"enum {tag}") if tag else None
        items.append(({tag, alias}, set(), emit_enum(enum, alias)))
    for struct in part.get("structs", []):
        alias = alias_of(f"{struct['kind']} {struct['tag']}")
        needs = identifiers(" ".join(f["type"] + json.dumps(f.get("fields", []))
                                     for f in struct["fields"]))
        items.append(({struct["tag"], alias}, needs, emit_struct(struct, alias)))
    for name, target in typedefs.items():
        if name not in taken:
            text = comment_of(name) + f"typedef {declare(target, name)};\n"
            items.append(({name}, identifiers(target), text))
    out, done = [], set()
    defined = set().union(*(names for names, _, _ in items)) - {None} if items else set()
    while items:
        ready = [i for i, (names, needs, _) in enumerate(items)
                 if not (needs & defined) - done - names]
        if not ready:
            sys.exit(f"{header}: types need each other: {[names for names, _, _ in items]}")
        names, _, text = items.pop(ready[0])
        done |= names
        out.append(text)
    text = ""
    for previous, item in zip([""] + out, out):  # one-line typedefs stand together
        text += ("" if max(previous.count("\n"), item.count("\n")) == 1 else "\n") + item
    return text.lstrip("\n")


def emit_function(function):
    parameters = [re.sub(r"^(.*?)((?:\[\w*\])*) (\w+)$", lambda m: declare(m[1] + m[2], m[3]), p)
                  for p in function["params"]]
    head = declare(function["returns"], function["name"]) + "("
    text = head + (", ".join(parameters) or "void") + ");"
    if len(text) > WIDTH:
        bound = head + ", ".join(p.replace(" ", "\0") for p in parameters) + ");"  # break at commas
        bound = bound.replace(head, head.replace(" ", "\0"), 1)
        lines = textwrap.wrap(bound, WIDTH, subsequent_indent=" " * 4, break_long_words=False)
        text = "\n".join(lines).replace("\0", " ")
    return comment_of(function["name"]) + text + "\n"


def emit_functions(header):
    done, out = set(), []
    for function in API[header].get("functions", []):
        if not function.get("inline") and function["name"] not in done:
            done.add(function["name"])
            out.append(emit_function(function))
    return "\n".join(out)


def emit_errors(name, first, last):
    values = next(e for e in API["daos_errno.h"]["enums"] if e["tag"] == "daos_errno")["values"]
    chosen = [n for n, v in values.items() if int(first) < v <= int(last)]
    lines = [f"#define D_FOREACH_{name}_ERR(ACTION)"]
    lines += [f"  ACTION({n}, {ERRORS[n]})" for n in chosen]
    return " \\\n".join(line.ljust(WIDTH - 2) for line in lines).rstrip() + "\n"


def generate(header):
    purpose, *lines = (TEMPLATES / header).read_text().splitlines()
    guard = "VARVE_" + re.sub(r"\W", "_", header).upper()
    out = [f"/* SPDX-License-Identifier: Apache-2.0 */\n/* {purpose} */",
           f"/* Generated from tools/headers/{header} by tools/generate_headers.py: edit there. */",
           f"#ifndef {guard}\n#define {guard}"]
    opened = False
    for line in lines:
        if line == "@begin":
            out.append('#ifdef __cplusplus\nextern "C" {\n#endif')
            opened = True
        elif line == "@macros":
            out.append(emit_macros(header).rstrip())
        elif line == "@types":
            out.append(emit_types(header).rstrip())
        elif line == "@functions":
            out.append(emit_functions(header).rstrip())
        elif line.startswith("@errors "):
            out.append(emit_errors(*line.split()[1:]).rstrip())
        else:
            out.append(line)
    if opened:
        out.append('\n#ifdef __cplusplus\n}\n#endif')
    out.append(f"\n#endif /* {guard} */")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)) + "\n"


def main():
    check = "--check" in sys.argv
    stale = []
    for header in API:
        text = generate(header)
        path = ROOT / "include" / header
        if check and (not path.exists() or path.read_text() != text):
            stale.append(header)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    unused = set(COMMENTS) - used_comments
    if unused:
        sys.exit(f"comments.txt names what no header has: {sorted(unused)}")
    if stale:
        sys.exit(f"run tools/generate_headers.py: these are not what it writes: {stale}")


if __name__ == "__main__":
    main()
