"""Doors of quality: a lead marks gold, nobody can tell it from other units, what was seen is told to whom it may."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from api.auth import sign
from tests.api.front import SECRET, Seen, running, text
from tests.api.test_running import count, fill, take
from tests.vetting.story import expert
from vetting import programs, store
from vetting.offers import offering
from vetting.plans import staffing
from vetting.records import Applicant, Program
from vetting.scope import ProgramForm
from vetting.units import work
from vetting.work_records import Gold, Look, Offer, QueueDecision, Release, Reply, Submission, Unit

MATHS = ["math.algebra", "math.proof"]
QUEUES = [
    {"name": "Checks", "kind": "verification", "skills": {"math.algebra": 1.0}, "units": 30, "value": 300,
     "reviews": 0, "gold": 0.3, "repeats": 0.3, "repeat_after": 5},
    {"name": "Proofs", "skills": {"math.proof": 1.0}, "units": 3, "value": 1},
]  # fmt: skip
GOLD = "content,verdict,because,told\n" + "".join(
    f"Gold {n},valid,By hand.,{'yes' if n < 4 else ''}\n" for n in range(8)
)


@pytest.fixture
def front(tmp_path, bank):
    """Two experts with a plan for a queue of judgements that may scale."""
    with running(f"sqlite:///{tmp_path / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for name in ("Ada", "Bea"):
                expert(db, bank, MATHS, name=name, now=now, hours=60)
            form = ProgramForm.model_validate({"name": "A program", "queues": QUEUES})
            program = programs.keep_program(db, form, now)
            staffing.make_plan(db, program, now)
            offering.add_units(db, program, form.queues[0], [f"Is {n} prime?" for n in range(30)], now)
            said = {"verdict": "scale", "reason": "test", "by": "test", "evidence": {}}
            db.add(QueueDecision(at=now, program_id=program.id, queue="Checks", **said))
        yield made


@pytest.fixture
def links(front):
    people = front.facts(select(Applicant.id).order_by(Applicant.id))
    return [f"/w/{sign(SECRET, 'work', number)}" for (number,) in people]


def mark(staff, **said):
    return staff.post("/lead/1/quality", data={"act": "file", "queue": "Checks", "rows": GOLD} | said)


def judge(visitor, link, label="valid"):
    """Take what comes and judge it; the page that was judged."""
    page = take(visitor, link)
    form = fill(page) | {"act": "send", "label": label, "text": "Because."}
    assert visitor.post(link, data=form).status_code == 303
    return page


def test_gold_from_pasted_rows_a_file_and_the_form_is_kept_and_shown(front, staff):
    assert mark(staff).status_code == 303
    sent = {"file": ("gold.csv", b"content,verdict,because\nIs 91 prime?,invalid,7 * 13\n", "text/csv")}
    said = {"act": "file", "queue": "Checks"}
    assert staff.post("/lead/1/quality", data=said, files=sent).status_code == 303
    one = {"act": "gold", "queue": "Proofs", "text": "1. So 1 = 2.\n2. So 2 = 3.", "verdict": "reject",
           "because": "1 is not 2.", "wrong_steps": "1, 2", "error": ["major content"]}  # fmt: skip
    assert staff.post("/lead/1/quality", data=one).status_code == 303
    assert count(front, Gold) == 10
    assert front.facts(select(Gold.wrong_steps).where(Gold.verdict == "reject")) == [([1, 2],)]
    page = staff.get("/lead/1/quality")
    assert "Is 91 prime?" not in page.text  # of gold its number and reason are listed
    assert "invalid: 7 * 13" in page.text
    assert "0 of 30" in text(page.text)


def test_nothing_on_the_experts_page_tells_gold_from_other_units(front, visitor, links, staff):
    mark(staff, rows=GOLD.replace("yes", ""))
    pages = [judge(visitor, links[0]) for _ in range(12)]
    hidden = {number for (number,) in front.facts(select(Offer.id).where(Offer.task == "gold"))}
    assert 0 < len(hidden) < 12
    sections = [re.findall(r'(?s)<section aria-labelledby="work-title">.*?</section>', page.text) for page in pages]
    plain = [re.sub(r"Gold \d+|Is \d+ prime\?|value=\"[^\"]+\"", "", one) for (one,) in sections]
    assert len(set(plain)) == 1
    mine = visitor.get(links[0]).text
    listed = re.findall(r'<li class="claim"><strong>Checks</strong>.*?– ([\w ]+)', mine)
    assert len(listed) == 10  # as many as are shown, gold among them
    for _ in range(40):
        told = visitor.get(f"{links[0]}/next.json").json()["offer"]
        assert told["task"] == "produce"
        assert set(told["why"]) >= {"rule", "acceptance", "minutes", "pay"}
        assert "face" not in told["why"]
        if db_task(front, told["id"]) == "gold":
            break
        judge(visitor, links[0])
    else:
        pytest.fail("no gold in forty units")


def db_task(front, offer):
    return front.facts(select(Offer.task).where(Offer.id == offer))[0][0]


def test_the_lead_sees_who_is_right_and_the_expert_only_what_may_be_told(front, visitor, links, staff):
    mark(staff)
    for _ in range(20):
        judge(visitor, links[0], "invalid")
    looked = front.facts(select(Look.id).join(Offer).where(Offer.task == "gold"))
    seen = text(staff.get("/lead/1/quality").text)
    assert "Ada 0 % (0 % to" in seen or "Ada 0" in seen
    assert f"of {len(looked)}" in seen
    mine = visitor.get(links[0]).text
    assert "The answer of this unit was known: valid, you said invalid. By hand." in mine
    assert visitor.get("/lead/1/quality").status_code == 403
    again = front.facts(select(func.count(Offer.id)).where(Offer.task == "repeat"))[0][0]
    assert again > 0
    assert "Said twice alike, all together 100 %" in seen
    report = staff.get("/lead/1/report.json").json()["queues"][0]
    assert (report["gold"]["of"], report["gold"]["share"]) == (len(looked), 0.0)
    assert report["repeats"]["share"] == 1.0
    assert "Said twice alike" in staff.get("/lead/1/report").text
    rows = [json.loads(line) for line in staff.get("/lead/1/units.jsonl?all=yes").text.splitlines()]
    assert {row["content"] for row in rows} == {f"Is {n} prime?" for n in range(30)}


def test_gold_is_withdrawn_with_a_reason_and_what_makes_no_sense_comes_back_as_typed(front, staff):
    mark(staff)
    number = front.facts(select(Unit.number).join(Gold).order_by(Unit.id))[0][0]
    gone = {"act": "withdraw", "queue": "Checks", "unit": str(number), "how": "wrong"}
    assert "Give a reason" in staff.post("/lead/1/quality", data=gone | {"reason": ""}).text
    assert staff.post("/lead/1/quality", data=gone | {"reason": "Both hold."}).status_code == 303
    assert "withdrawn" in staff.get("/lead/1/quality").text
    before = count(front, Gold)
    for said, wrong in (
        ({"act": "odd"}, "not complete"), ({"act": "file", "queue": "None"}, "no queue"),
        ({"act": "file", "queue": "Checks", "rows": "content,verdict\na,valid"}, "line 2: because"),
        ({"act": "gold", "queue": "Checks", "content": "a", "verdict": "good", "because": "kept <b>"}, "Pick one of"),
        ({"act": "gold", "queue": "Checks", "verdict": "valid", "because": "fine", "people": "-2"}, "people"),
        ({"act": "withdraw", "queue": "Checks", "unit": "99", "reason": "why"}, "no such unit"),
    ):  # fmt: skip
        page = staff.post("/lead/1/quality", data=said)
        assert page.status_code == 422, said
        assert wrong in page.text, said
    assert (
        'value="kept &lt;b&gt;"'
        in staff.post(
            "/lead/1/quality", data={"act": "gold", "queue": "Checks", "content": "a", "because": "kept <b>"}
        ).text
    )
    assert count(front, Gold) == before


def test_work_is_given_back_on_the_page_and_comes_to_somebody_else(front, visitor, links):
    page = take(visitor, links[0])
    assert "Give it back" in page.text
    form = fill(page) | {"act": "back"}
    assert visitor.post(links[0], data=form).status_code == 303
    assert visitor.post(links[1], data=form).status_code == 422  # another's
    assert count(front, Release) == 1
    assert "Is 0 prime?" in take(visitor, links[1]).text
    assert "Is 0 prime?" not in take(visitor, links[0]).text


def test_every_link_and_label_of_the_page_of_quality_holds(front, staff):
    mark(staff)
    page = staff.get("/lead/1/quality")
    for href in Seen(page.text).links():
        if href.startswith("/"):
            assert staff.get(href).status_code == 200, href
    ids = [attrs["id"] for _, attrs in Seen(page.text).tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert 'href="/lead/1/quality"' in staff.get("/lead/1/run").text
    with store.reading(front.house.engine) as db:
        assert db.scalars(select(Program.name)).one() == "A program"


def accept_some(front, count=6):
    """Units that Bea judged and nobody has to review, as if the queue had come that far."""
    now = datetime.now(UTC)
    with store.writing(front.house.engine) as db:
        program = db.scalars(select(Program)).one()
        bea = db.scalars(select(Applicant).where(Applicant.name == "Bea")).one()
        units = db.scalars(select(Unit).order_by(Unit.id).limit(count)).all()
        for unit in units:
            offer = Offer(at=now, unit=unit, applicant=bea, task="produce", why={})
            db.add_all([offer, Reply(at=now, offer=offer, taken=True)])
            made = Submission(
                at=now, unit=unit, offer=offer, wording=programs.wordings(program)["Checks"], text="So.", label="valid",
                request_id=f"by hand {unit.id}", seconds=60.0,
            )  # fmt: skip
            db.add(made)
            db.flush()
            work.keep_outcome(db, made, "accepted", [], "unreviewed", now)


def test_a_round_over_the_doors_is_blind_shown_and_talked_over(visitor, links, staff):
    mark(staff)
    begin = {"act": "round", "queue": "Checks", "person": ["1", "2"], "units": "2", "source": "gold", "note": "Primes"}
    assert staff.post("/lead/1/quality", data=begin | {"units": "40"}).status_code == 422
    assert staff.post("/lead/1/quality", data=begin).status_code == 303
    page = staff.get("/lead/1/rounds/1")
    assert "Everything is shown once" in page.text
    assert visitor.get(f"{links[0]}/rounds/1").status_code == 404  # still open
    for link, label in ((links[0], "valid"), (links[1], "invalid")):
        for _ in range(2):
            assert "A calibration round: everybody named" in visitor.get(link).text
            judge(visitor, link, label)
        assert "2 of 2 judged" in visitor.get(link).text
    seen = visitor.get(f"{links[0]}/rounds/1")
    assert seen.status_code == 200
    assert "You: valid" in text(seen.text)
    assert "Person 2: invalid" in text(seen.text)
    assert "Bea" not in seen.text
    assert "Known to be right: valid" in text(seen.text)
    (first, _) = re.findall(r'name="unit" value="(\d+)"', seen.text)
    said = {"act": "remark", "unit": first, "words": "1 is <b>no</b> prime."}
    assert visitor.post(f"{links[0]}/rounds/1", data=said).status_code == 303
    assert visitor.post(f"{links[0]}/rounds/1", data=said | {"words": ""}).status_code == 422
    assert visitor.post(f"{links[0]}/rounds/1", data=said | {"unit": "x"}).status_code == 422
    assert staff.post("/lead/1/rounds/1", data=said | {"words": "Agreed."}).status_code == 303
    page = staff.get("/lead/1/rounds/1")
    assert "Ada : 1 is <b>no</b> prime." in text(page.text)
    assert "the lead : Agreed." in text(page.text)
    assert "<b>no</b>" not in page.text
    assert "retest of round 1" in again_of(staff)


def again_of(staff):
    """A retest, begun; the page of quality."""
    said = {"act": "round", "queue": "Checks", "units": "2", "source": "gold", "of": "1"}
    assert staff.post("/lead/1/quality", data=said).status_code == 303
    assert staff.post("/lead/1/rounds/2", data={"act": "close"}).status_code == 303
    assert staff.get("/lead/1/rounds/2").status_code == 200
    assert staff.get("/lead/1/rounds/9").status_code == 404
    return text(staff.get("/lead/1/quality").text)


def test_units_are_sent_to_fresh_people_over_the_doors(front, visitor, links, staff):
    accept_some(front)
    send = {"act": "again", "queue": "Checks", "way": "numbers", "numbers": "1, 2", "reason": "It was long ago."}
    for wrong in ({"reason": ""}, {"numbers": "1 and 2"}, {"numbers": "29"}, {"people": "many"}, {"people": "9"},
                  {"way": "luck"}):  # fmt: skip
        assert staff.post("/lead/1/quality", data=send | wrong).status_code == 422, wrong
    assert staff.post("/lead/1/quality", data=send).status_code == 303
    assert "Unit 2: no label yet, 1 wanted (It was long ago.)" in text(staff.get("/lead/1/quality").text)
    page = take(visitor, links[0])
    assert "review a unit" in page.text
    assert "So." not in text(page.text)
    form = fill(page) | {"act": "send", "verdict": "invalid", "because": "9 is 3 * 3."}
    assert visitor.post(links[0], data=form).status_code == 303
    told = text(staff.get("/lead/1/quality").text)
    assert "Unit 1: invalid (It was long ago.)" in told
    rows = [json.loads(line) for line in staff.get("/lead/1/units.jsonl?all=yes").text.splitlines()]
    (row,) = [one for one in rows if one["unit"] == 1]
    assert (row["state"], row["distribution"]) == ("disputed", {"valid": 1, "invalid": 1})


def test_a_chain_that_is_put_before_a_judge_asks_for_its_wrong_steps(front, visitor, links):
    with store.writing(front.house.engine) as db:
        program = db.scalars(select(Program)).one()
        said = {"kind": "verification", "skills": {"math.algebra": 1.0}, "units": 5, "value": 900, "name": "Chains"}
        form = ProgramForm.model_validate({"name": "A program", "queues": [said]})
        now = datetime.now(UTC)
        programs.keep_program(db, form, now, whole=True)
        staffing.make_plan(db, program, now)
        offering.add_units(db, program, form.queues[0], ["1. n = 2k.\n2. So n^2 = 2k^2."], now)
    page = take(visitor, links[0])
    assert "Which steps are wrong?" in page.text
    form = fill(page) | {"act": "send", "label": "invalid", "text": "Look at step 2."}
    refused = visitor.post(links[0], data=form)
    assert refused.status_code == 422
    assert 'href="#wrong_steps"' in refused.text
    assert 'id="wrong_steps"' in refused.text
    back = visitor.post(links[0], data=form | {"label": "valid", "wrong_step": "2"})
    assert "cannot be judged" in back.text
    assert re.search(r'name="wrong_step" value="2" checked', back.text)
    assert visitor.post(links[0], data=form | {"wrong_step": "2"}).status_code == 303
    assert front.facts(select(Submission.label, Submission.wrong_steps)) == [("invalid", [2])]
