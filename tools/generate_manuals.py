#!/usr/bin/env python3
"""Manual pages and bash completion from what the programs say to --help: generate_manuals.py BIN PREFIX.

BIN holds varve and varved. Writes share/man/man1/{varve,daos}.1, share/man/man8/{varved,dmg}.8 and
share/bash-completion/completions/{varve,daos,dmg} below PREFIX.
"""
import os
import re
import subprocess
import sys

# Which nouns are of which program; varve has all.
NOUNS = {"varve": None, "daos": ["pool", "container", "filesystem", "object", "version"],
         "dmg": ["pool", "system", "version"]}
LINE = re.compile(r"^  (\S.*?)(?:\s{2,}(\S.*))?$")


class Help:
    """What one command says: its text, and (name, description) by section."""

    def __init__(self, words):
        done = subprocess.run([*words, "--help"], capture_output=True, text=True, timeout=30)
        if done.returncode or "Usage:" not in done.stdout:
            raise SystemExit(f"'{' '.join(words)} --help' says nothing of use: {done.stdout}{done.stderr}")
        self.text, self.sections = done.stdout.split("\n", 1)[0].strip(), {}
        section = None
        for line in done.stdout.splitlines():
            if re.fullmatch(r"\S.*:", line):
                section = self.sections.setdefault(line[:-1], [])
            elif section is not None and (match := LINE.match(line)):
                section.append([match[1], match[2] or ""])
            elif section and line.strip():
                section[-1][1] = f"{section[-1][1]} {line.strip()}".strip()

    def commands(self):
        """(names, description) of each subcommand, the name proper first."""
        return [(name.split(", "), text) for name, text in self.sections.get("Subcommands", [])]

    def options(self):
        return self.sections.get("Options", []) + self.sections.get("OPTIONS", [])

    def flags(self):
        """The spellings of its options alone."""
        return [flag.split("{")[0] for name, _ in self.options() for flag in name.split(" ")[0].split(",")]


def quoted(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def rows(section):
    return "".join(f".TP\n.B {quoted(name)}\n{quoted(text) or '.br'}\n" for name, text in section)


def read_tree(program):
    """[(names, help, [(names, help)])] of nouns and their verbs."""
    return [(names, found := Help([program, names[0]]),
             [(verbs, Help([program, names[0], verbs[0]])) for verbs, _ in found.commands()])
            for names, _ in Help([program]).commands()]


def manual(name, section, top, tree):
    page = f'.TH {name.upper()} {section} "" "Varve" "Varve"\n.SH NAME\n{name} \\- {quoted(top.text)}\n'
    page += f".SH SYNOPSIS\n.B {name}\n[options]{' noun verb [arguments]' if tree else ''}\n"
    page += f".SH OPTIONS\n{rows(top.options())}"
    for names, noun, verbs in tree:
        page += f".SH {', '.join(names).upper()}\n{quoted(noun.text)}\n"
        for verb_names, verb in verbs:
            words = " ".join(row[0].split(" ")[0].upper() for row in verb.sections.get("Positionals", []))
            page += ".SS " + quoted(" ".join([name, names[0], ", ".join(verb_names), words]).rstrip()) + "\n"
            page += quoted(verb.text) + "\n"
            page += rows(verb.sections.get("Positionals", []))
            page += rows(row for row in verb.options() if not row[0].startswith("-h,"))
    also = sorted({"varve(1)", "varved(8)", "daos(1)", "dmg(8)"} - {f"{name}({section})"})
    return page + ".SH SEE ALSO\n" + quoted(", ".join(also)) + "\n"


def completion(name, top, tree):
    """A function that finds noun and verb among the words, and offers what may follow."""
    cases = []
    for names, noun, verbs in tree:
        known = " ".join(verb for verb_names, _ in verbs for verb in verb_names)
        inner = "".join(f"        {'|'.join(verb_names)}) words='{' '.join(verb.flags())}' ;;\n"
                        for verb_names, verb in verbs)
        inner += f"        *) words='{known or ' '.join(noun.flags())}' ;;\n"
        cases.append(f"    {'|'.join(names)})\n      case \"$verb\" in\n{inner}      esac ;;\n")
    nouns = " ".join(noun for names, _, _ in tree for noun in names)
    return f"""# bash completion of {name}; made by tools/generate_manuals.py
_{name}_complete() {{
  local word noun= verb= words i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${{COMP_WORDS[i]}}
    case "$word" in
      --address|--timeout-ms) ((++i)) ;;
      -*) ;;
      *) if [ -z "$noun" ]; then noun=$word; elif [ -z "$verb" ]; then verb=$word; fi ;;
    esac
  done
  case "$noun" in
{''.join(cases)}    *) words='{nouns} {' '.join(top.flags())}' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _{name}_complete {name}
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    programs, prefix = sys.argv[1:]
    varve = os.path.join(programs, "varve")
    top, whole = Help([varve]), read_tree(varve)
    share = os.path.join(prefix, "share")
    for name, nouns in NOUNS.items():
        tree = [entry for entry in whole if nouns is None or entry[0][0] in nouns]
        section = 8 if name == "dmg" else 1
        write(os.path.join(share, f"man/man{section}/{name}.{section}"), manual(name, section, top, tree))
        write(os.path.join(share, "bash-completion/completions", name), completion(name, top, tree))
    server = Help([os.path.join(programs, "varved")])
    write(os.path.join(share, "man/man8/varved.8"), manual("varved", 8, server, []))


if __name__ == "__main__":
    main()
