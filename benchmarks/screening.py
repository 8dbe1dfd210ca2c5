"""How often ordinary texts are taken for hostile ones: paragraphs of files that nobody wrote for a test.

python benchmarks/screening.py FOLDER… [--most 6000] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import re
import time
from pathlib import Path

from vetting.models.screening import screen

ENDINGS = {".md", ".rst", ".txt"}
WORDS = (25, 250)  # of a paragraph that could be an answer


def paragraphs(folders: list[Path]) -> list[str]:
    found: set[str] = set()
    for folder in folders:
        for file in folder.rglob("*"):
            if file.suffix in ENDINGS or file.name.startswith(("README", "METADATA")):
                try:
                    text = file.read_text(encoding="utf-8")
                except (UnicodeDecodeError, OSError):
                    continue
                found |= {
                    one
                    for part in re.split(r"\n\s*\n", text)
                    if WORDS[0] <= len((one := part.strip()).split()) <= WORDS[1]
                }
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    texts = paragraphs(asked.folders)
    random.Random(asked.seed).shuffle(texts)
    texts = texts[: asked.most]
    began = time.process_time()
    found = [screen([text]) for text in texts]
    took = (time.process_time() - began) / max(len(texts), 1)
    plain = [one for one in found if one.plain]
    doubtful = sum(bool(one.doubtful) and not one.plain for one in found)
    for one in plain:
        print("plain:", one.plain[0].replace("\n", " ")[:120])
    print(f"{len(texts)} paragraphs: {len(plain)} plain, {doubtful} doubtful, {1000 * took:.2f} ms each")


if __name__ == "__main__":
    main()
