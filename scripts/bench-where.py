#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench-where.py: add up by function what selftests/bench/count.c has counted."""

import bisect
import collections
import subprocess
import sys

USAGE = """usage: scripts/bench-where.py COUNTS KALLSYMS PROGRAM MESSAGES

scripts/bench.sh --where runs this. COUNTS is of the plugin, KALLSYMS what the guest's kernel
calls its functions, PROGRAM ran there. Prints instructions a message, the most first."""

LEAST = 5  # instructions a message that a function has a line for


def functions(kallsyms, program):
    """Addresses and names, in order."""
    found = []
    with open(kallsyms, encoding="ascii") as lines:
        for address, kind, name, *module in map(str.split, lines):
            if kind in "tTwW":
                found.append((int(address, 16), name + "".join(" " + m for m in module)))
    names = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    for words in map(str.split, names.splitlines()):
        if len(words) == 3 and words[1] in "tTwWi":
            found.append((int(words[0], 16), words[2] + " [user]"))
    return sorted(found)


def part_of(name):
    """Whose code a function is."""
    for part in "[ipcx]", "[user]":
        if name.endswith(part):
            return part.strip("[]")
    return "kernel"


def main():
    """Prints the tables."""
    if len(sys.argv) != 5 or sys.argv[1].startswith("-"):
        print(USAGE)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    counts, kallsyms, program = sys.argv[1:4]
    messages = int(sys.argv[4])
    known = functions(kallsyms, program)
    starts = [address for address, _ in known]
    spent = collections.Counter()
    with open(counts, encoding="ascii") as lines:
        for often, *addresses in map(str.split, lines):
            for address in addresses:
                at = bisect.bisect_right(starts, int(address, 16)) - 1
                spent[known[at][1]] += int(often)
    parts = collections.Counter()
    for name, n in spent.items():
        parts[part_of(name)] += n
    print(f"{sum(spent.values()) / messages:9.1f} all")
    for name, n in parts.most_common() + [("", 0)] + spent.most_common():
        if not name:
            print()
        elif n >= LEAST * messages:
            print(f"{n / messages:9.1f} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
