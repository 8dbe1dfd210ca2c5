"""Names go when the promised time is over, and not a day before."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from tests.conftest import NOON
from vetting.decisions import decision
from vetting.decisions.decision import MONTH
from vetting.messages import RoleForm
from vetting.records import AuditEntry, Role
from vetting.sittings import sitting


def test_a_name_is_removed_after_the_promised_months_and_not_before(db):
    form = RoleForm(name="Reader", skills={"language.english": {}}, keep_months=6)
    role = Role(at=NOON, name=form.name, body=form.model_dump(mode="json"))
    db.add(role)
    seat = sitting.begin(
        db, sitting.invite(db, role, now=NOON, name="Ada"), name="Ada", extra_time=1.0, demand={}, now=NOON,
        rng=np.random.default_rng(1),
    )  # fmt: skip

    assert decision.erase_expired(db, NOON + 6 * MONTH - timedelta(days=1)) == 0
    assert seat.applicant.name == "Ada"
    assert decision.erase_expired(db, NOON + 6 * MONTH) == 1
    assert seat.applicant.name == seat.invitation.name == ""
    assert decision.erase_expired(db, NOON + 7 * MONTH) == 0  # once is enough
    assert db.query(AuditEntry).filter(AuditEntry.what == "erased", AuditEntry.who == "retention").count() == 1
