"""The shape of the house: walls, lengths, words, the lock, and what is shipped with us."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("api", "vetting", "irt", "assignment", "item_bank")
LONGEST_FILE, LONGEST_FUNCTION, SHORT_FUNCTION = 400, 40, 10
LONG_FUNCTIONS = {  # may only shrink
    "api/commands/run.py:tell",
    "api/commands/vetting.py:dossier",
    "irt/belief.py:propagate",
    "irt/moments.py:graded",
    "irt/worth.py:glance",
}
LONG_FILES: set[str] = set()  # may only shrink


def tracked(*patterns: str) -> list[Path]:
    """Files that the repository holds."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [file for file in tracked("*.py") if file.relative_to(ROOT).parts[0] in ROOMS]


def written_by_hand() -> list[Path]:
    """Text that people wrote: no vendored files, no lock."""
    endings = {".py", ".md", ".toml", ".yaml", ".html", ".css", ".js", ".svg", ".cfg", ".txt"}
    return [
        file for file in tracked()
        if (file.suffix in endings or file.name in {"run", ".gitignore"}) and "vendor" not in file.parts
    ]  # fmt: skip


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions() -> list[tuple[str, int]]:
    """(file:function, lines without its docstring) of every function."""
    return [
        (f"{name_of(file)}:{node.name}", length(node))
        for file in sources()
        if "migrations" not in file.parts
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    has_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    words = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - words


# -- walls -----------------------------------------------------------------------------------------


def test_the_walls_between_the_rooms_stand():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[2-9]\d* kept, 0 broken", done.stdout)


# -- lengths ---------------------------------------------------------------------------------------


def test_every_file_is_one_idea_of_less_than_400_lines():
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in sources()}
    assert {name for name, lines in lengths.items() if lines >= LONGEST_FILE} == LONG_FILES


def test_every_function_has_less_than_40_lines():
    assert {name for name, lines in functions() if lines >= LONGEST_FUNCTION} == LONG_FUNCTIONS


def test_half_of_the_functions_have_less_than_ten_lines():
    lengths = [lines for _, lines in functions()]
    assert sum(lines < SHORT_FUNCTION for lines in lengths) >= len(lengths) / 2


# -- words -----------------------------------------------------------------------------------------


def test_every_module_and_every_public_class_says_what_it_is():
    silent = []
    for file in [one for one in sources() if "versions" not in one.parts]:
        tree = parsed(file)
        if not ast.get_docstring(tree):
            silent.append(name_of(file))
        silent += [
            f"{name_of(file)}:{node.name}"
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
        ]
    assert silent == []


def test_no_module_is_called_by_a_word_that_says_nothing():
    empty = {"utils", "util", "helpers", "helper", "common", "base", "manager", "service", "misc"}
    assert [name_of(file) for file in sources() if file.stem in empty] == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("unfinished work", r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
        ("machine paths", r"(?<![\w.])/(work|home|root|Users|mnt|opt)/\w"),
        ("merge leftovers", r"^(<<<<<<<|>>>>>>>)"),
    ],
)
def test_nothing_that_is_kept_holds(what, pattern):
    found = [
        f"{name_of(file)}:{number}"
        for file in written_by_hand()
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert found == [], what


# -- what is shipped -------------------------------------------------------------------------------


def lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_holds_hashes_and_no_addresses():
    text = lock()
    names = re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==", text, re.MULTILINE)
    assert len(names) > 50
    assert "://" not in text
    assert not re.search(r"^\s*--(?:index|extra-index|find-links|trusted)", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert [block.split()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_the_lock_holds_everything_the_project_names_and_no_graphics_driver():
    names = {name.lower() for name in re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==", lock(), re.MULTILINE)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    asked = {re.split(r"[\[<>=!~; ]", one)[0].lower() for one in wanted}
    assert asked <= names
    assert [name for name in names if name.startswith(("torch", "nvidia", "triton", "tensorflow", "jaxlib"))] == []


def test_every_vendored_file_is_in_the_manifest_with_its_sum_and_licence():
    vendor = ROOT / "api" / "static" / "vendor"
    manifest = (vendor / "MANIFEST.toml").read_text(encoding="utf-8")
    files = [file for file in vendor.rglob("*") if file.is_file() and file.name != "MANIFEST.toml"]
    assert len(files) > 2
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() in manifest, file.name
    assert "licence" in manifest


def test_the_readme_names_the_two_commands_and_the_licence_is_there():
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8")[:4000]
    assert "python3 dev.py demo" in first_screen
    assert "python3 dev.py test" in first_screen
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:400]


def test_every_room_is_shipped_and_checked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)
    assert set(project["tool"]["mypy"]["packages"]) == set(ROOMS)
    assert set(project["tool"]["importlinter"]["root_packages"]) == set(ROOMS)
