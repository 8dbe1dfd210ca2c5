#!/usr/bin/env python3
"""Set the project up from nothing and run it: `python3 dev.py demo`, `python3 dev.py test`.

Needs Python 3.11 to 3.13 and a package index, nothing else. The first call makes `.venv` and
fills it from `requirements.lock` (names, versions, hashes); later calls start at once and work
without a network. `python3 dev.py` alone lists the verbs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "assay.stamp"
LOCK = ROOT / "requirements.lock"
UV_PIN = "uv>=0.9,<1"

VERBS = {
    "demo": "the main job on an embedded database, end to end; then says where to look",
    "serve": "the web pages on http://127.0.0.1:8000",
    "test": "the tests (further words go to pytest)",
    "lint": "format, lint, types, walls between the rooms",
    "bench": "benchmarks by name; alone it lists them",
    "notebooks": "run every notebook",
    "lock": "resolve requirements.lock anew",
    "assay": "the command line itself: python3 dev.py assay --help",
}


def main(words: list[str]) -> int:
    if not words or words[0] not in VERBS:
        print(__doc__)
        print("\n".join(f"  {verb:10} {what}" for verb, what in VERBS.items()))
        return 0 if not words or words[0] in {"-h", "--help", "help"} else 2
    set_up()
    verb, rest = words[0], words[1:]
    if verb == "lint":
        return lint()
    if verb == "notebooks":
        return notebooks()
    commands = {
        "demo": [tool("assay"), "demo", *rest],
        "serve": [tool("assay"), "serve", *rest],
        "assay": [tool("assay"), *rest],
        "test": [tool("pytest"), *rest],
        "bench": [python(), "-m", "benchmarks", *rest],
        "lock": [tool("uv"), *LOCKING],
    }
    return run(commands[verb])


LOCKING = [
    "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate",
    "--group", "dev", "--all-extras", "--upgrade", "pyproject.toml", "-o", "requirements.lock",
]  # fmt: skip


def set_up() -> None:
    """Make `.venv` hold exactly the lock; nothing to do when its stamp already says so."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"Assay needs Python 3.11 to 3.13; this is {sys.version.split()[0]}. Maybe python3.12 is installed.")
    if STAMP.exists() and STAMP.read_text() == wanted_stamp():
        return
    print("Setting up .venv from requirements.lock (once; a minute or three) ...", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    venv.create(VENV, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    run([python(), "-m", "pip", "install", *quiet, UV_PIN], check=True)
    own = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    if run([tool("uv"), "pip", "install", "-q", "--require-hashes", "--compile-bytecode", "-r", str(LOCK)]) == 0:
        run([tool("uv"), "pip", "install", "-q", *own], check=True)
    else:
        print("uv could not install the lock; trying pip ...", flush=True)
        run([python(), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(LOCK)], check=True)
        run([python(), "-m", "pip", "install", *quiet, *own], check=True)
    STAMP.write_text(wanted_stamp())


def wanted_stamp() -> str:
    """What `.venv` was made from: lock, the project's own table, Python, and where the project lies."""
    import tomllib  # noqa: PLC0415 -- Python 3.10 must reach the message in set_up

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = [LOCK.read_text(encoding="utf-8"), repr(project), sys.version, str(ROOT)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def lint() -> int:
    checks = [
        [tool("ruff"), "format", "--check", "."],
        [tool("ruff"), "check", "."],
        [tool("mypy")],
        [tool("lint-imports")],
    ]
    return max(run(check) for check in checks)


def notebooks() -> int:
    """Execute each jupytext notebook, as many at once as there are cores; a cell that raises fails the run."""
    out = ROOT / ".notebooks"
    out.mkdir(exist_ok=True)

    def execute(book: Path) -> int:
        target = str(out / f"{book.stem}.ipynb")
        return run([tool("jupytext"), "--to", "ipynb", "--execute", "--output", target, str(book)])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return max(pool.map(execute, sorted((ROOT / "notebooks").glob("*.py"))), default=0)


def python() -> str:
    return str(BIN / "python")


def tool(name: str) -> str:
    return str(BIN / name)


def run(command: list[str], *, check: bool = False) -> int:
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # litellm would fetch its price list at import
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTENSOR_FLAGS": "mode=NUMBA",
    } | os.environ
    environment["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    environment["VIRTUAL_ENV"] = str(VENV)
    code = subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    if check and code:
        sys.exit(f"{' '.join(command[:4])} ... failed with exit code {code}.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
