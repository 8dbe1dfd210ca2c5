"""The application with a few experts and a plan, and who comes to its doors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.api.front import running
from tests.vetting.story import expert
from vetting import programs, store
from vetting.plans import staffing
from vetting.scope import ProgramForm

MATHS = ["math.algebra", "math.proof"]
QUEUES = [
    {"name": "Proofs", "skills": {"math.proof": 1.0}, "units": 100, "value": 100, "bars": {"math.proof": -0.5}},
    {"name": "Sums <b>", "skills": {"math.algebra": 1.0}, "units": 10, "value": 50},
]


@pytest.fixture(scope="module")
def front(tmp_path_factory, bank):
    """An application with a few experts, a program and its plan."""
    with running(f"sqlite:///{tmp_path_factory.mktemp('doors') / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for name in ("Bea", "Cleo", "Dan"):
                expert(db, bank, MATHS, name=name, now=now)
            program = programs.keep_program(
                db, ProgramForm.model_validate({"name": "A program", "queues": QUEUES}), now
            )
            staffing.make_plan(db, program, now)
        yield made


@pytest.fixture
def visitor(front):
    with front.visitor() as client:
        yield client


@pytest.fixture
def staff(front):
    with front.staff() as client:
        yield client
