#!/usr/bin/env python3
"""Prints the ten longest files and functions of production code, in lines. Fails at a file of 800 lines, which is a bug by the style page.
Tests do not count: files and directories of that name, and what follows `#[cfg(test)]` before an inline module."""

import pathlib
import re
import sys

FUNCTION = re.compile(r"( *)(?:pub(?:\([a-z ]+\))? )?(?:const |async |unsafe |extern \"C\" )*fn ([a-z_0-9]+)")
HIDDEN = {"tests", "tests.rs", "testing.rs", "target"}


def production(path):
    """The lines that are no test."""
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        if line.strip() == "#[cfg(test)]" and at + 1 < len(lines) and re.match(r"(pub )?mod [a-z_]+ \{", lines[at + 1]):
            return lines[:at]
    return lines


def functions(lines):
    """Name, line and length. The code is formatted: a function ends at the first brace that stands where it began."""
    for at, line in enumerate(lines):
        match = FUNCTION.match(line)
        if not match:
            continue
        for end in range(at, len(lines)):
            if lines[end] == match[1] + "}" or end == at and line.endswith("}"):
                yield match[2], at + 1, end - at + 1
                break
            if end > at and lines[end].endswith(";") and len(lines[end]) - len(lines[end].lstrip()) <= len(match[1]):
                break  # a declaration only


def main():
    root = pathlib.Path(sys.argv[1])
    files, found = [], []
    for top in ("src", "codecs"):
        for path in sorted((root / top).rglob("*.rs")):
            if HIDDEN & set(path.relative_to(root).parts):
                continue
            lines = production(path)
            name = str(path.relative_to(root))
            files.append((len(lines), name))
            found += [(length, f"{name}:{line} {function}") for function, line, length in functions(lines)]
    print("longest files (100-350 lines are usual, 500 need a reason):")
    for length, name in sorted(files, reverse=True)[:10]:
        print(f"{length:6} {name}")
    print("longest functions (up to 60 lines):")
    for length, name in sorted(found, reverse=True)[:10]:
        print(f"{length:6} {name}")
    too_long = [name for length, name in files if length >= 800]
    if too_long or not found:
        sys.exit(f"800 lines and more: {', '.join(too_long)}" if too_long else "no function found: this report is broken")


main()
