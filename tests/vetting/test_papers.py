"""Credentials: a claim opens nothing, a verified one opens until it ends or is revoked, and no fact is changed."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from tests.conftest import NOON
from tests.vetting.bustle import planned, queue, team
from vetting.offers import offering
from vetting.plans import papers, scene
from vetting.plans.papers import ClaimForm, LookForm
from vetting.records import AuditEntry
from vetting.units import work
from vetting.work_records import CredentialLook

LICENCE = ClaimForm(name="Licence  to teach", issuer="A board")


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea"])


def seen(verdict, until=None, because="In the register."):
    return LookForm(verdict=verdict, because=because, until=until)


def may_work(db, made, now=NOON):
    """Whose arcs the plan's scene holds."""
    db.expire_all()
    setting = scene.scene(db, made, now)
    return {int(setting.pool.axis.ids[e]) for e in setting.problem.expert}


def test_a_claim_opens_nothing_a_look_does_until_its_last_day_and_revoking_shuts_again(db, people):
    ada = people[0].id
    made = planned(db, queue(credentials=["licence to teach"], due=str(NOON.date() + timedelta(days=60))))
    credential = papers.claim(db, people[0], LICENCE, "lead", NOON)
    assert papers.claim(db, people[0], LICENCE, "lead", NOON) is credential
    assert papers.state(credential, NOON) == "claimed"
    assert may_work(db, made) == set()
    papers.look(db, credential, seen("verified", NOON.date() + timedelta(days=2)), "lead", NOON)
    assert may_work(db, made) == {ada}
    assert may_work(db, made, NOON + timedelta(days=2, hours=11)) == {ada}  # its last day
    assert may_work(db, made, NOON + timedelta(days=2, hours=13)) == set()
    assert papers.state(credential, NOON + timedelta(days=9)) == "expired"
    papers.look(db, credential, seen("verified"), "lead", NOON)
    assert may_work(db, made, NOON + timedelta(days=30)) == {ada}
    papers.look(db, credential, seen("revoked"), "lead", NOON)
    assert may_work(db, made) == set()
    assert db.scalars(select(CredentialLook.verdict)).all() == ["verified", "verified", "revoked"]
    assert "looked at a credential" in db.scalars(select(AuditEntry.what)).all()


def test_an_offer_follows_a_revocation_at_once(db, people):
    planned(db, queue(credentials=["Licence to teach"]))
    credential = papers.claim(db, people[0], LICENCE, "lead", NOON)
    assert offering.next_offer(db, people[0], NOON) is None
    papers.look(db, credential, seen("verified"), "lead", NOON)
    offer = offering.next_offer(db, people[0], NOON)
    assert offer is not None
    work.reply(db, offer, NOON, taken=False)
    papers.look(db, credential, seen("revoked"), "lead", NOON)
    assert offering.next_offer(db, people[0], NOON) is None


def test_what_makes_no_sense_is_refused(db, people):
    credential = papers.claim(db, people[0], LICENCE, "lead", NOON)
    with pytest.raises(work.FormError, match=r"ran out on 2020-01-01\. Maybe a later day"):
        papers.look(db, credential, seen("verified", date(2020, 1, 1)), "lead", NOON)
    with pytest.raises(work.FormError, match=r"Only a verified credential can be revoked\. Maybe refuse"):
        papers.look(db, credential, seen("revoked"), "lead", NOON)
    for wrong in ({"verdict": "fine", "because": "why not"}, {"verdict": "verified", "because": ""}):
        with pytest.raises(ValidationError):
            LookForm.model_validate(wrong)
    papers.look(db, credential, seen("refused", because="Not in the register."), "lead", NOON)
    (told,) = papers.told(db, people[0], NOON)
    assert (told["state"], told["looks"][0]["because"]) == ("refused", "Not in the register.")
