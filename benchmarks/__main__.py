"""Benchmarks by name: `python3 dev.py bench` lists them, `python3 dev.py bench NAME [--json]` runs one.

A benchmark is a module of this folder with a function main(argv).
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main(argv: list[str]) -> int:
    known = benchmarks()
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__)
        print("\n".join(f"  {name:12} {what}" for name, what in known.items()))
        return 0
    if argv[0] not in known:
        print(f"bench: no benchmark {argv[0]!r}. Maybe one of: {', '.join(known)}.", file=sys.stderr)
        return 2
    return importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:]) or 0


def benchmarks() -> dict[str, str]:
    """Name and first line of every module here that has a main(argv); none is imported for it."""
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(part, ast.FunctionDef) and part.name == "main" for part in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").split("\n")[0]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
