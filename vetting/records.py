"""Facts that happened. They are added and never changed; what we believe is derived from them.

A correction is one more fact (a second grade, a later decision). The one exception is the law's: an
applicant's name is emptied, and taken out of what was written, when they ask for it (see `Erasure`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, MetaData, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

if TYPE_CHECKING:
    from vetting.interview_records import Proposal
    from vetting.work_records import Look, Outcome

Json = dict[str, Any]


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC by every database, aware when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone. Maybe datetime.now(UTC) was meant.")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Record(DeclarativeBase):
    """Base of all facts."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime, Json: JSON, list[str]: JSON, list[int]: JSON}  # noqa: RUF012 -- SQLAlchemy reads it once

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]


# -- what we measure with --------------------------------------------------------------------------


class Calibration(Record):
    """One published scale: skills, prior and item parameters (see scale.py for the form of `body`)."""

    __tablename__ = "calibration"

    note: Mapped[str]
    body: Mapped[Json]


class Role(Record):
    """What a recruiter looks for: see messages.RoleForm for the form of `body`. A later row of the name replaces it."""

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(index=True)
    body: Mapped[Json]


# -- applicants ------------------------------------------------------------------------------------


class Invitation(Record):
    """A link that lets `uses` people sit the test of a role until it expires."""

    __tablename__ = "invitation"

    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"))
    expires: Mapped[datetime]
    uses: Mapped[int]
    name: Mapped[str] = mapped_column(default="")  # of the person it is for; empty: each gives their own
    applicant_id: Mapped[int | None] = mapped_column(ForeignKey("applicant.id"))  # a further sitting of this person
    focus: Mapped[list[str]] = mapped_column(default=list)  # skills a further sitting looks at; empty: the whole role
    role: Mapped[Role] = relationship()
    applicant: Mapped[Applicant | None] = relationship()
    sittings: Mapped[list[Sitting]] = relationship(back_populates="invitation")


class Applicant(Record):
    """A person being vetted. `simulated` people never mix with real ones unseen."""

    __tablename__ = "applicant"

    name: Mapped[str]
    simulated: Mapped[bool] = mapped_column(default=False)
    sittings: Mapped[list[Sitting]] = relationship(back_populates="applicant")
    certificates: Mapped[list[Certificate]] = relationship(back_populates="applicant")
    decisions: Mapped[list[Decision]] = relationship(back_populates="applicant", order_by="Decision.id")
    offers: Mapped[list[Availability]] = relationship(back_populates="applicant", order_by="Availability.id")
    resumes: Mapped[list[Resume]] = relationship(back_populates="applicant", order_by="Resume.id")
    erasure: Mapped[Erasure | None] = relationship(back_populates="applicant")
    outcomes: Mapped[list[Outcome]] = relationship(back_populates="applicant", order_by="Outcome.id")
    looks: Mapped[list[Look]] = relationship(back_populates="applicant", order_by="Look.id")

    @property
    def work_seen(self) -> list[Outcome | Look]:
        """All that work showed of this person, see learning.py."""
        return [*self.outcomes, *self.looks]


class Sitting(Record):
    """One way through one adaptive test. Everything it needs to be replayed is fixed when it begins."""

    __tablename__ = "sitting"
    __table_args__ = (UniqueConstraint("invitation_id", "seat"),)

    invitation_id: Mapped[int] = mapped_column(ForeignKey("invitation.id"), index=True)
    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    calibration_id: Mapped[int] = mapped_column(ForeignKey("calibration.id"))
    seat: Mapped[int]  # which use of the invitation, from 1
    consent: Mapped[str]  # version of the text that was agreed to
    extra_time: Mapped[float]  # accommodation: 1.5 gives half as much time again
    aim: Mapped[Json]  # {"target": {skill: se}, "weight": {skill: worth}, "bars", "minutes", "price"}
    closed_items: Mapped[list[str]]  # not open to this sitting, so that no item is shown too often
    request_id: Mapped[str | None] = mapped_column(unique=True, index=True)  # of the form it was begun with
    invitation: Mapped[Invitation] = relationship(back_populates="sittings")
    applicant: Mapped[Applicant] = relationship(back_populates="sittings")
    calibration: Mapped[Calibration] = relationship()
    questions: Mapped[list[Question]] = relationship(back_populates="sitting", order_by="Question.number")
    pauses: Mapped[list[Pause]] = relationship(back_populates="sitting", order_by="Pause.id")
    ending: Mapped[Ending | None] = relationship(back_populates="sitting")


class Question(Record):
    """An item put before the applicant, and why this one."""

    __tablename__ = "question"
    __table_args__ = (UniqueConstraint("sitting_id", "number"), UniqueConstraint("sitting_id", "item_id"))

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    number: Mapped[int]  # from 1
    item_id: Mapped[str] = mapped_column(index=True)
    revision: Mapped[int]
    why: Mapped[Json]  # {"gain", "minutes", "skills": {skill: gain}, "runners_up": [{"item", "gain", "minutes"}]}
    sitting: Mapped[Sitting] = relationship(back_populates="questions")
    answer: Mapped[Answer | None] = relationship(back_populates="question")
    turns: Mapped[list[Turn]] = relationship(back_populates="question", order_by="Turn.number")
    proposals: Mapped[list[Proposal]] = relationship(back_populates="question", order_by="Proposal.after")


class Turn(Record):
    """One utterance of an interview: what was asked, exactly as it was shown, or what was said to it."""

    __tablename__ = "turn"
    __table_args__ = (UniqueConstraint("question_id", "number"),)

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), index=True)
    number: Mapped[int]  # from 1
    who: Mapped[str]  # "asks" or "says"
    text: Mapped[str]
    move: Mapped[Json]  # asks: {"kind", "id", "criterion", "why", "wording"[, "proposed"]}; says: {"act"}
    request_id: Mapped[str | None] = mapped_column(unique=True)  # of what was said
    question: Mapped[Question] = relationship(back_populates="turns")


class Answer(Record):
    """What was said, kept before anything else is done with it. An empty response is a skip."""

    __tablename__ = "answer"

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), unique=True)
    request_id: Mapped[str] = mapped_column(unique=True)
    response: Mapped[Json]
    seconds: Mapped[float]  # on the question, pauses left out
    question: Mapped[Question] = relationship(back_populates="answer")
    grades: Mapped[list[Grade]] = relationship(back_populates="answer", order_by="Grade.id")


class Grade(Record):
    """One rater's verdict on one answer: a key's, a person's or a model's, kept alike."""

    __tablename__ = "grade"
    __table_args__ = (UniqueConstraint("answer_id", "rater", "criterion"),)

    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    rater: Mapped[str] = mapped_column(index=True)  # "key", "human:…", "model:…@…", once changed "model:…@…~3"
    criterion: Mapped[str] = mapped_column(default="")
    level: Mapped[int]  # 0 = worst
    because: Mapped[str] = mapped_column(default="")
    quote: Mapped[str] = mapped_column(default="")  # the words of the answer that decided it, as they stand there
    confidence: Mapped[float | None]  # the rater's own, 0 to 1
    call_id: Mapped[int | None] = mapped_column(ForeignKey("model_call.id"))  # a model's: the reply it was read from
    answer: Mapped[Answer] = relationship(back_populates="grades")
    call: Mapped[ModelCall | None] = relationship()


class ModelCall(Record):
    """A model was asked, or was not because nothing was left to spend: what was sent, what came back, its cost."""

    __tablename__ = "model_call"

    sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"), index=True)
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("answer.id"), index=True)
    purpose: Mapped[str]  # "grade", "phrase", "propose", …
    prompt: Mapped[str]  # name of its file
    prompt_version: Mapped[str] = mapped_column(index=True)  # digest of the file
    model: Mapped[str]
    input_hash: Mapped[str] = mapped_column(index=True)  # of the prompt and all that filled it, without random marks
    sent: Mapped[Json]  # {"messages": [{"role", "content"}], "about": {…}}: enough to read the reply again
    reply: Mapped[str]
    seconds: Mapped[float]
    tokens_in: Mapped[int]
    tokens_out: Mapped[int]
    cost: Mapped[float | None]  # None: the model's price was not known
    fault: Mapped[str] = mapped_column(default="")  # see llm.Fault; empty: usable


class Referral(Record):
    """A grade that people must give, and why no model could, or should alone."""

    __tablename__ = "referral"

    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"), index=True)
    criterion: Mapped[str]
    rater: Mapped[str]  # whose grading it was, or "panel"
    why: Mapped[str]
    answer: Mapped[Answer] = relationship()


class Pause(Record):
    """The applicant stepped away from a question, or came back."""

    __tablename__ = "pause"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), index=True)
    away: Mapped[bool]
    sitting: Mapped[Sitting] = relationship(back_populates="pauses")


class Ending(Record):
    """The sitting is over: precise enough, minutes spent, no question worth its time, or the applicant's wish."""

    __tablename__ = "ending"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), unique=True)
    reason: Mapped[str]
    sitting: Mapped[Sitting] = relationship(back_populates="ending")


class Certificate(Record):
    """A skill vouched for from outside, such as a CEFR level; counts while it is valid."""

    __tablename__ = "certificate"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    issuer: Mapped[str]
    skill: Mapped[str]
    level: Mapped[str]  # a CEFR level
    expires: Mapped[datetime | None]
    applicant: Mapped[Applicant] = relationship(back_populates="certificates")


class Resume(Record):
    """What an applicant told of their experience: as it was read, then as they corrected it. The latest row holds.

    Text and fields are emptied with the name (see `Erasure`).
    """

    __tablename__ = "resume"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    by: Mapped[str]  # "upload" or "applicant"
    text: Mapped[str]  # as read from the file; empty in a correction
    fields: Mapped[Json]  # see messages.ResumeForm
    applicant: Mapped[Applicant] = relationship(back_populates="resumes")
    claims: Mapped[list[Claim]] = relationship(back_populates="resume", order_by="Claim.id")


class Claim(Record):
    """A skill that an applicant says they have: a hypothesis that helps to choose questions and weighs little."""

    __tablename__ = "claim"

    resume_id: Mapped[int] = mapped_column(ForeignKey("resume.id"), index=True)
    skill: Mapped[str]
    level: Mapped[float]  # what is claimed, in population sds
    source: Mapped[str]  # the words it was read from
    resume: Mapped[Resume] = relationship(back_populates="claims")


class Appeal(Record):
    """The applicant asks a person to look again."""

    __tablename__ = "appeal"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), index=True)
    words: Mapped[str]


class Erasure(Record):
    """The applicant asked to be forgotten: the name is gone, the answers stay without a person to them."""

    __tablename__ = "erasure"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), unique=True)
    applicant: Mapped[Applicant] = relationship(back_populates="erasure")


class Decision(Record):
    """A person decided: advance, hold or decline, with a reason. The latest one holds."""

    __tablename__ = "decision"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"))
    verdict: Mapped[str]
    reason: Mapped[str]
    by: Mapped[str]
    evidence: Mapped[Json]  # what was on the screen: probability, calibration, last grade
    applicant: Mapped[Applicant] = relationship(back_populates="decisions")
    role: Mapped[Role] = relationship()


# -- staffing --------------------------------------------------------------------------------------


class Availability(Record):
    """An expert's hours in a week and what an hour costs. The latest row holds."""

    __tablename__ = "availability"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    hours: Mapped[float]
    pay: Mapped[float]
    languages: Mapped[list[str]]
    team: Mapped[str] = mapped_column(default="", server_default="")
    applicant: Mapped[Applicant] = relationship(back_populates="offers")


class Program(Record):
    """What a lead wants made."""

    __tablename__ = "program"

    name: Mapped[str] = mapped_column(unique=True)
    queues: Mapped[list[Queue]] = relationship(back_populates="program", order_by="Queue.id")
    plans: Mapped[list[PlanRecord]] = relationship(back_populates="program", order_by="PlanRecord.id")


class Queue(Record):
    """One kind of unit of a program: see scope.QueueForm for `body`. A later row of the name replaces it."""

    __tablename__ = "queue"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    name: Mapped[str]
    body: Mapped[Json]
    program: Mapped[Program] = relationship(back_populates="queues")


class Wish(Record):
    """A lead pins an expert to a queue or bars them from it; a later row for the pair replaces it."""

    __tablename__ = "wish"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"))
    queue: Mapped[str]
    kind: Mapped[str]  # "pin", "bar" or "free"


class PlanRecord(Record):
    """A solved plan with its proof, its prices and the weights they give tomorrow's questions."""

    __tablename__ = "plan"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    body: Mapped[Json]
    program: Mapped[Program] = relationship(back_populates="plans")


class AuditEntry(Record):
    """Who did what; written beside every decision and every change of what is measured."""

    __tablename__ = "audit"

    who: Mapped[str]
    what: Mapped[str]
    about: Mapped[Json]


import vetting.interview_records  # noqa: E402
import vetting.rater_records  # noqa: E402
import vetting.work_records  # noqa: E402, F401 -- the facts of work stand on these, and belong to one metadata
