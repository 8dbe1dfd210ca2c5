"""What applicants tell of their experience: read from a file, corrected by them, and turned into claims.

A claim is a hypothesis. It helps to choose questions that would verify it, with a stated error, and is no evidence:
no estimate, no interval and no reason to stop ever rests on one (see `hoped`).
"""

from __future__ import annotations

from vetting.records import Sitting


def told(sitting: Sitting) -> str:
    """The corrected résumé in plain lines; empty where there is none."""
    mine = [one for one in sitting.applicant.resumes if one.by == "applicant"]
    if not mine:
        return ""
    fields = mine[-1].fields
    return "\n".join(f"{name}: {'; '.join(map(str, fields[name]))}" for name in sorted(fields) if fields[name])
