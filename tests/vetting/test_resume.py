"""Résumés: read from files within limits, corrected by the applicant, and claims that aim and weigh little."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import docx
import numpy as np
import pypdf
import pytest

from irt.belief import answers, solve
from tests.conftest import NOON
from tests.vetting.story import begin, go, role_form
from vetting import evidence
from vetting import scale as scales
from vetting.decisions import decision
from vetting.messages import ClaimForm, ResumeForm
from vetting.records import Claim
from vetting.sittings import choice, resume
from vetting.sittings.resume import AIM_SD, LEVELS, UnreadableFileError, aimed, parse, read_file

FORM = role_form("math.algebra", "computing.python")
TEXT = "Ada Example\nSenior engineer, 9 years of Python\nBasic algebra at school\nStatistics with pandas"


def pdf_of(text):
    """A page of text as a pdf, written by hand."""
    stream = b"BT /F1 12 Tf 72 720 Td (" + text.encode() + b") Tj ET"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]  # fmt: skip
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + end


def docx_of(*lines):
    document, file = docx.Document(), io.BytesIO()
    for line in lines:
        document.add_paragraph(line)
    document.save(file)
    return file.getvalue()


def locked():
    """A pdf that nobody opens without its password."""
    made, file = pypdf.PdfWriter(), io.BytesIO()
    made.add_blank_page(100, 100)
    made.encrypt("a password", algorithm="RC4-128")
    made.write(file)
    return file.getvalue()


def bomb():
    """A small file that unpacks to a hundred million letters."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("word/document.xml", b"0" * 100_000_000)
    return file.getvalue()


def changed(content, old, new):
    """A docx whose text is written otherwise."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as parts, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in parts.namelist():
            part = parts.read(name)
            made.writestr(name, part.replace(old, new) if name == "word/document.xml" else part)
    return file.getvalue()


def tables():
    """A table within a table, as many templates for résumés have it."""
    document, file = docx.Document(), io.BytesIO()
    outer = document.add_table(1, 2)
    outer.cell(0, 0).text = "Outer algebra"
    outer.cell(0, 1).add_table(1, 1).cell(0, 0).text = "Inner Python"
    document.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"Senior engineer in Python", pdf_of("Senior engineer in Python"), docx_of("Senior engineer in Python")]
)
def test_text_pdf_and_docx_are_read(content):
    assert "Senior engineer in Python" in read_file("cv", content)


@pytest.mark.parametrize("kind", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_as_the_usual_programs_save_it(kind):
    said = "Zürich, “engineer”, Python" + ("" if kind == "cp1252" else " Việt")
    assert read_file("cv.txt", said.encode(kind)) == said


def test_what_is_typed_is_text_whatever_it_begins_with():
    assert read_file("", b"PK\x03\x04 Sharma, %PDF- expert\x1b\x00") == "PK Sharma, %PDF- expert"


def test_tables_within_tables_are_read_and_cells_that_claim_to_be_millions_cost_nothing():
    wide = changed(tables(), b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="30000000"/>')
    assert read_file("cv.docx", wide) == "Outer algebra\nInner Python"


def test_a_file_that_takes_too_long_is_given_up_and_named_without_its_path():
    with pytest.raises(UnreadableFileError, match=r"^b cv\.pdf takes too long to read\. Maybe"):
        resume.apart("../../<a>/b cv.pdf", pdf_of("Python"), seconds=0.001)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"x" * (resume.LARGEST + 1), "larger than 5 MB"),
        (b"%PDF-1.7 and nothing more", "cannot be read"),
        (b"PK\x03\x04 and nothing more", "cannot be read"),
        (b"\xff\xfe\x00\x01\x02", "not pdf, docx or plain text"),
        (b" \n\t\n", "no text"),
        (bomb(), "unpacks to far more"),
        (rb"{\rtf1\ansi Python}", "not pdf, docx or plain text"),
        (locked(), "protected by a password"),
    ],
    ids=["empty", "large", "broken pdf", "broken docx", "binary", "blank", "bomb", "rtf", "locked"],
)
def test_whatever_cannot_be_read_is_refused_with_what_to_do(content, says):
    with pytest.raises(UnreadableFileError, match=rf"{says}.*Maybe|{says}"):
        read_file("cv.pdf", content)


def test_claims_are_read_by_simple_rules_with_the_words_they_come_from(bank):
    claims = {one.skill: one for one in parse(TEXT, bank.tree).claims}
    assert claims["computing.python"].level == "expert"
    assert claims["math.algebra"].level == "basic"
    assert claims["computing.data_analysis"].source == "Statistics with pandas"
    assert "society.law" not in claims


def confirmed(db, seat, level="expert"):
    form = ResumeForm(claims=[ClaimForm(skill="computing.python", level=level, source="9 years of Python")])
    return resume.confirm(db, seat.applicant, form, NOON)


def test_only_what_the_applicant_confirmed_counts_and_the_latest_replaces_it(db, bank):
    seat = begin(db, FORM)
    resume.keep_upload(db, seat.applicant, TEXT, parse(TEXT, bank.tree), NOON)
    db.refresh(seat.applicant)
    assert evidence.claims_of(seat.applicant) == []
    confirmed(db, seat)
    db.refresh(seat.applicant)
    assert [(one.skill, one.level) for one in evidence.claims_of(seat.applicant)] == [
        ("computing.python", LEVELS["expert"])
    ]
    confirmed(db, seat, "basic")
    db.refresh(seat.applicant)
    assert [one.level for one in evidence.claims_of(seat.applicant)] == [LEVELS["basic"]]


def test_a_claim_alone_moves_the_aim_by_its_stated_error_and_neither_estimate_nor_precision(db, bank):
    seat = begin(db, FORM)
    scale = scales.of(seat.calibration)
    before = choice.look(seat, scale, bank)
    confirmed(db, seat)
    db.refresh(seat.applicant)
    after = choice.look(seat, scale, bank)
    row = scale.skills.position["computing.python"]
    variance = before.posterior.belief.cov[row, row]
    assert after.belief.mean[row] == pytest.approx(LEVELS["expert"] * variance / (variance + AIM_SD**2))
    assert np.array_equal(after.posterior.mean, before.posterior.mean)
    assert np.array_equal(after.belief.cov, before.belief.cov)
    assert len(evidence.gather([seat], [], evidence.claims_of(seat.applicant), scale, NOON)) == 0


def test_claims_beside_an_answer_are_gaussian_observations_whose_errors_share_a_part(db, bank):
    """In closed form: errors of CLAIM_SD each and CLAIMANT_SD together, around what the answers alone say."""
    seat = begin(db, FORM)
    go(db, seat, bank, most=3)
    skills = ["computing.python", "math.algebra"]
    told = [ClaimForm(skill=skill, level="expert", source="") for skill in skills]
    resume.confirm(db, seat.applicant, ResumeForm(claims=told), NOON)
    db.refresh(seat.applicant)
    scale = scales.of(seat.calibration)
    rows = scale.skills.rows(skills)
    claims = evidence.claims_of(seat.applicant)
    alone, both = (
        solve(scale.population, evidence.gather([seat], [], some, scale, NOON)).belief for some in ([], claims)
    )
    noise = evidence.CLAIM_SD**2 * np.eye(2) + evidence.CLAIMANT_SD**2
    gain = alone.cov[:, rows] @ np.linalg.inv(alone.cov[np.ix_(rows, rows)] + noise)
    expected = alone.mean + gain @ (LEVELS["expert"] - alone.mean[rows])
    np.testing.assert_allclose(both.mean, expected, atol=2e-3)  # EP's sites of the answers move a little, too
    np.testing.assert_allclose(both.cov, alone.cov - gain @ alone.cov[rows], atol=2e-3)


def test_claims_to_everything_take_less_than_a_third_of_what_one_answer_takes(db):
    """What applicants are told: of the median item, and of each skill's variance."""
    scale = scales.of(scales.latest(db))
    claims = [Claim(skill=skill, level=LEVELS["expert"], source="") for skill in scale.skills.ids]
    skills = scale.skills.rows(claim.skill for claim in claims)
    prior = np.diag(scale.population.cov)
    told = solve(scale.population, evidence.claimed(claims, scale))
    taken = []
    for row in range(len(scale.parameters)):
        item, own = scale.parameters.rows(np.array([row])), int(scale.parameters.skill[row, 0])
        after = [
            solve(scale.population, answers(item, np.array([level]), scale.blur[[row]])).sd[own] ** 2 / prior[own]
            for level in range(int(item.levels[0]))
        ]
        taken.append(1 - np.mean(after))
    assert (1 - told.sd[skills] ** 2 / prior[skills]).max() < np.median(taken) / 3
    assert told.mean[skills].max() < 0.1


def test_what_is_told_after_the_end_leaves_the_sitting_as_it_was(db, bank):
    seat = begin(db, FORM)
    go(db, seat, bank)
    scale = scales.of(seat.calibration)
    before = choice.look(seat, scale, bank)
    form = ResumeForm(claims=[ClaimForm(skill="computing.python", level="expert", source="")])
    resume.confirm(db, seat.applicant, form, seat.ending.at + timedelta(seconds=1))
    db.refresh(seat.applicant)
    after = choice.look(seat, scale, bank)
    assert np.array_equal(after.posterior.mean, before.posterior.mean)
    assert np.array_equal(after.belief.mean, before.belief.mean)


def test_claims_lose_their_pull_as_answers_come(db, bank):
    seat = begin(db, FORM)
    confirmed(db, seat)
    go(db, seat, bank, most=14)
    db.refresh(seat.applicant)
    scale = scales.of(seat.calibration)
    state = choice.look(seat, scale, bank)
    row = scale.skills.position["computing.python"]
    pull = abs(state.belief.mean[row] - state.posterior.mean[row])
    assert pull < 0.5 * LEVELS["expert"] * state.posterior.sd[row] ** 2 + 0.5


def test_two_claims_are_taken_in_turn_and_unknown_skills_say_nothing(db, bank):
    seat = begin(db, FORM)
    scale = scales.of(seat.calibration)
    belief = choice.look(seat, scale, bank).posterior.belief
    confirmed(db, seat)
    db.refresh(seat.applicant)
    (claim,) = evidence.claims_of(seat.applicant)
    once, twice = aimed(belief, [claim], scale), aimed(belief, [claim, claim], scale)
    row = scale.skills.position[claim.skill]
    assert once.mean[row] < twice.mean[row] < claim.level
    claim.skill = "no.such.skill"
    assert np.array_equal(aimed(belief, [claim], scale).mean, belief.mean)


def test_who_is_forgotten_leaves_no_resume(db, bank):
    seat = begin(db, FORM)
    resume.keep_upload(db, seat.applicant, TEXT, parse(TEXT, bank.tree), NOON)
    confirmed(db, seat)
    db.refresh(seat.applicant)
    decision.erase(db, seat.applicant, NOON)
    assert all(one.text == "" and one.fields == {} for one in seat.applicant.resumes)
    assert all(claim.source == "" for one in seat.applicant.resumes for claim in one.claims)
