"""The text of a pdf or docx from a stranger, read in a process of its own with little time and memory.

    python -I reading.py < FILE        prints {"text": …}, or {"wrong": …} with what is wrong and what to do

A file of a few kilobytes can ask its reader for hours or for all memory there is, and no reader of such files knows all
the ways. So whatever reads one may be killed, and only that file is refused. Nothing else of ours is imported here.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress

import docx
import pypdf
from docx.oxml.ns import qn
from docx.oxml.text.paragraph import CT_P
from pypdf.errors import DependencyError, FileNotDecryptedError

CPU_SECONDS, MOST_MEMORY = 8, 1_000_000_000  # of this process; bytes
MOST_PAGES, MOST_LETTERS = 30, 40_000  # pages read, letters kept
MOST_UNPACKED, MOST_PARTS = 60_000_000, 2_000  # bytes and parts of an unpacked docx
HEADER = 1024  # bytes among which a pdf's mark stands
PROTECTED = "The file is protected by a password. Maybe save it without one, or type the text."
PARAGRAPH, TEXT, BREAKS = qn("w:p"), qn("w:t"), {qn("w:tab"), qn("w:br"), qn("w:cr")}
TWICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # the same again, for older programs


class RefusedError(ValueError):
    """The file is not read; the message says why and what to do."""


def text_of(content: bytes) -> str:
    return pdf(content) if b"%PDF-" in content[:HEADER] else word(content)


def pdf(content: bytes) -> str:
    reader = pypdf.PdfReader(io.BytesIO(content))
    if len(reader.pages) > MOST_PAGES:
        raise RefusedError(f"The file has {len(reader.pages)} pages; {MOST_PAGES} are read. Maybe shorten it.")
    text = ""
    for page in reader.pages:
        if len(text) > MOST_LETTERS:
            break
        text += page.extract_text() + "\n"
    return text


def word(content: bytes) -> str:
    """A docx, tables within tables and text boxes too, in the order of the page."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sizes = [part.file_size for part in parts.infolist()]
    if sum(sizes) > MOST_UNPACKED or len(sizes) > MOST_PARTS:
        raise RefusedError("The file unpacks to far more than a résumé. Maybe save it anew, without pictures.")
    body = docx.Document(io.BytesIO(content)).element.body
    return "\n".join("".join(words(paragraph)) for paragraph in body.iter(PARAGRAPH))


def words(paragraph: CT_P) -> Iterator[str]:
    """A paragraph's own words: what stands in a text box within it has paragraphs of its own."""
    for part in paragraph.iter(TEXT, *BREAKS):
        above = part.iterancestors(PARAGRAPH, TWICE)
        if next(above) is paragraph and not any(one.tag == TWICE for one in above):
            yield " " if part.tag in BREAKS else part.text or ""


def keep_small() -> None:
    """Let the system end this process where it takes more than a résumé needs; where no such limits are, time does."""
    with suppress(ImportError):
        import resource  # noqa: PLC0415 -- not on every system

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    keep_small()
    logging.disable()
    try:
        said = {"text": text_of(sys.stdin.buffer.read())[: 2 * MOST_LETTERS]}
    except RefusedError as wrong:
        said = {"wrong": str(wrong)}
    except (DependencyError, FileNotDecryptedError):
        said = {"wrong": PROTECTED}
    except Exception:  # noqa: BLE001 -- whatever a broken file leads its readers to
        said = {"wrong": ""}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
