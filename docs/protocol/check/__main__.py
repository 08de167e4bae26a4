"""A second implementation of kith's formats, in Python, written from the pages beside it alone.

    python3 docs/protocol/check

checks every vector of ../vectors by it, in both directions, and says how many agree. It
needs Python 3.11 and `cryptography` (Debian's python3-cryptography). One file a page; `wire` and
`crypto` are the conventions, and `blake3` is that.

    python3 docs/protocol/check --mutate

shows that this can fail: it changes each value that is compared with something, one at a time, and each
change must be noticed.
"""

import json
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("this needs Python 3.11")

import blob
import bundle
import edges
import file
import keys
import log
import space
import sync
import transport
from vectors import Vectors, leaves

CHECKS = {
    "keys": keys.check_keys,
    "link": keys.check_links,
    "bundle": bundle.check,
    "log": log.check,
    "log-edges": edges.check,
    "sync": sync.check,
    "transport": transport.check,
    "space": space.check,
    "blob": blob.check,
    "file": file.check,
}


def check(name, value):
    """How many vectors there are, and which do not agree."""
    vectors = Vectors(name, value)
    vectors.run(CHECKS[name])
    return vectors


def mutate(name, value):
    """The values whose change nobody notices, and how many were changed. First, all must agree."""
    unnoticed, changed = [], 0
    unchanged = check(name, value)
    if unchanged.wrong:
        return unchanged.wrong, changed
    for place, put, change in leaves(value, name):
        # What is wrong already may be changed into something else that is wrong.
        if change is None or place.startswith(tuple(unchanged.loose)):
            continue
        original = put(change)
        if not check(name, value).wrong:
            unnoticed.append(f"{place}: a change to {change!r:.80} goes unnoticed")
        put(original)
        changed += 1
    return unnoticed, changed


def main(arguments):
    mutating = arguments == ["--mutate"]
    folder = Path(__file__).parent.parent / "vectors"
    files = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if files.keys() != CHECKS.keys():
        sys.exit(f"the vectors are {', '.join(files)}; known are {', '.join(sorted(CHECKS))}")
    problems, count = [], 0
    for name, path in files.items():
        value = json.loads(path.read_text())
        if mutating:
            unnoticed, changed = mutate(name, value)
            problems += unnoticed
            count += changed
        else:
            vectors = check(name, value)
            problems += vectors.wrong
            count += vectors.count
    for problem in problems:
        print(problem)
    print(f"{count} {'changes tried' if mutating else 'vectors checked'}, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main(sys.argv[1:]))
