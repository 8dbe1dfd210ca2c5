"""Facts of work being done: units, offers, submissions, reviews, disputes, pilots' and checkpoints' decisions.

Like all facts they are added and never changed; where a unit stands is derived from them (see work.py).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, and_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vetting.records import Applicant, Json, Program, Queue, Record


class Scope(Record):
    """What holds for a whole program: scope.ProgramForm without its queues. The latest row holds."""

    __tablename__ = "scope"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    body: Mapped[Json]


class Gains(Record):
    """What a little more of hours, people, money or time would bring to a plan; worked out once, when asked for."""

    __tablename__ = "gains"

    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"), unique=True)
    body: Mapped[Json]  # see gains.worked_out


class Credential(Record):
    """A credential of an expert, such as a licence. It opens a queue only once a person has verified it."""

    __tablename__ = "credential"

    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    name: Mapped[str]
    issuer: Mapped[str]
    verified_by: Mapped[str] = mapped_column(default="")  # empty: claimed, not verified
    expires: Mapped[datetime | None]
    applicant: Mapped[Applicant] = relationship()
    looks: Mapped[list[CredentialLook]] = relationship(back_populates="credential", order_by="CredentialLook.id")


class CredentialLook(Record):
    """A person looked at a credential: verified, refused or, later, revoked. The latest look holds."""

    __tablename__ = "credential_look"

    credential_id: Mapped[int] = mapped_column(ForeignKey("credential.id"), index=True)
    verdict: Mapped[str]  # "verified", "refused" or "revoked"
    expires: Mapped[datetime | None]  # of a verified one
    because: Mapped[str]  # what was seen: a register, a document
    by: Mapped[str]
    credential: Mapped[Credential] = relationship(back_populates="looks")


class Unit(Record):
    """One unit of a queue. It is indivisible: one person makes it from beginning to end."""

    __tablename__ = "unit"
    __table_args__ = (UniqueConstraint("program_id", "queue", "number"),)

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    queue: Mapped[str]
    number: Mapped[int]  # from 1
    pilot: Mapped[bool]  # judged by more people, before the queue may scale
    content: Mapped[str]  # what is put before the maker; may be empty
    program: Mapped[Program] = relationship()
    offers: Mapped[list[Offer]] = relationship(back_populates="unit", order_by="Offer.id")
    submissions: Mapped[list[Submission]] = relationship(back_populates="unit", order_by="Submission.id")
    disputes: Mapped[list[Dispute]] = relationship(back_populates="unit", order_by="Dispute.id")
    golds: Mapped[list[Gold]] = relationship(back_populates="unit", order_by="Gold.id")
    source: Mapped[Source | None] = relationship()


class Offer(Record):
    """Work put before an expert, and what was expected of it."""

    __tablename__ = "offer"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    task: Mapped[str]  # "produce", "review", "second", "resolve"; "gold", "repeat", "round" or "again", see looks.py
    why: Mapped[Json]  # {"rule", "behind", "worth", "acceptance", "minutes", "pay"}; of a look its "face"
    unit: Mapped[Unit] = relationship(back_populates="offers")
    applicant: Mapped[Applicant] = relationship()
    reply: Mapped[Reply | None] = relationship(back_populates="offer")
    submission: Mapped[Submission | None] = relationship(back_populates="offer")
    review: Mapped[Review | None] = relationship(back_populates="offer")
    resolution: Mapped[Resolution | None] = relationship(back_populates="offer")
    look: Mapped[Look | None] = relationship(back_populates="offer")
    release: Mapped[Release | None] = relationship(back_populates="offer")

    @property
    def product(self) -> Submission | Review | Resolution | Look | None:
        """What came of it."""
        return self.submission or self.review or self.resolution or self.look


class Reply(Record):
    """The expert took an offer or left it; leaving it has no consequence."""

    __tablename__ = "reply"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    taken: Mapped[bool]
    offer: Mapped[Offer] = relationship(back_populates="reply")


class Release(Record):
    """The expert gave back what they had taken, before anything was made; it has no consequence either."""

    __tablename__ = "release"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    offer: Mapped[Offer] = relationship(back_populates="release")


class Submission(Record):
    """What an expert made, kept before anything else is done with it."""

    __tablename__ = "submission"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queue.id"))  # the wording it was made under
    request_id: Mapped[str] = mapped_column(unique=True)
    text: Mapped[str]
    label: Mapped[str] = mapped_column(default="")  # of a judging unit
    wrong_steps: Mapped[list[int]] = mapped_column(default=list, server_default="[]")  # of a chain that is judged
    seconds: Mapped[float]
    attested: Mapped[str] = mapped_column(default="")  # version of the text that says people made it alone
    unit: Mapped[Unit] = relationship(back_populates="submissions")
    offer: Mapped[Offer] = relationship(back_populates="submission")
    wording: Mapped[Queue] = relationship()
    checks: Mapped[list[MechanicalCheck]] = relationship(back_populates="submission", order_by="MechanicalCheck.id")
    reviews: Mapped[list[Review]] = relationship(back_populates="submission", order_by="Review.id")
    suspicions: Mapped[list[Suspicion]] = relationship(back_populates="submission", order_by="Suspicion.id")
    outcomes: Mapped[list[Outcome]] = relationship(back_populates="submission", order_by="Outcome.id")
    customer: Mapped[list[CustomerVerdict]] = relationship(back_populates="submission", order_by="CustomerVerdict.id")

    @property
    def outcome(self) -> Outcome | None:
        """What holds: the latest, since a third person's decision takes the place of an earlier one."""
        return self.outcomes[-1] if self.outcomes else None


class MechanicalCheck(Record):
    """What a machine noticed about the form of a submission. It decides nothing: see checks.py."""

    __tablename__ = "mechanical_check"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    name: Mapped[str]
    faults: Mapped[list[str]]  # empty: nothing noticed
    submission: Mapped[Submission] = relationship(back_populates="checks")


class Review(Record):
    """An independent verdict on a submission, given without knowing who made it or what others said."""

    __tablename__ = "review"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    request_id: Mapped[str] = mapped_column(unique=True)
    verdict: Mapped[str]  # "pass", "send_back" or "reject"; of a judging unit its label
    errors: Mapped[list[str]]  # "minor content", "major style", …
    wrong_steps: Mapped[list[int]]  # numbers of steps found wrong
    because: Mapped[str]
    seconds: Mapped[float]
    submission: Mapped[Submission] = relationship(back_populates="reviews")
    offer: Mapped[Offer] = relationship(back_populates="review")


class Dispute(Record):
    """Reviewers disagree, or the maker objects: the unit waits for a third person. It is never averaged."""

    __tablename__ = "dispute"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    reason: Mapped[str]
    by: Mapped[str]  # "verdicts" or "maker"
    unit: Mapped[Unit] = relationship(back_populates="disputes")
    submission: Mapped[Submission] = relationship()
    resolution: Mapped[Resolution | None] = relationship(back_populates="dispute")


class Resolution(Record):
    """What the third person decided, and why."""

    __tablename__ = "resolution"

    dispute_id: Mapped[int] = mapped_column(ForeignKey("dispute.id"), unique=True)
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    request_id: Mapped[str] = mapped_column(unique=True)
    verdict: Mapped[str]  # as a review's, or "ambiguous": kept with all its labels
    errors: Mapped[list[str]]
    wrong_steps: Mapped[list[int]]
    because: Mapped[str]
    edge_case: Mapped[str] = mapped_column(default="")  # an entry for the register of edge cases
    seconds: Mapped[float]
    dispute: Mapped[Dispute] = relationship(back_populates="resolution")
    offer: Mapped[Offer] = relationship(back_populates="resolution")


class Suspicion(Record):
    """Somebody suspects fraud, copied or machine-written work: a person looks. No score changes by it."""

    __tablename__ = "suspicion"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    kind: Mapped[str]  # "fraud", "copied" or "model text"
    because: Mapped[str]
    by: Mapped[str]
    submission: Mapped[Submission] = relationship(back_populates="suspicions")
    findings: Mapped[list[Finding]] = relationship(back_populates="suspicion", order_by="Finding.id")
    appeals: Mapped[list[WorkAppeal]] = relationship(back_populates="suspicion", order_by="WorkAppeal.id")


class Finding(Record):
    """What a person found about a suspicion; a later one, after an appeal, takes its place."""

    __tablename__ = "finding"

    suspicion_id: Mapped[int] = mapped_column(ForeignKey("suspicion.id"), index=True)
    upheld: Mapped[bool]
    because: Mapped[str]
    by: Mapped[str]
    suspicion: Mapped[Suspicion] = relationship(back_populates="findings")


class WorkAppeal(Record):
    """The expert asks for a second look at a finding."""

    __tablename__ = "work_appeal"

    suspicion_id: Mapped[int] = mapped_column(ForeignKey("suspicion.id"), index=True)
    words: Mapped[str]
    suspicion: Mapped[Suspicion] = relationship(back_populates="appeals")


class Outcome(Record):
    """What checking found about one person's work: evidence about their skills, see learning.py."""

    __tablename__ = "outcome"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    level: Mapped[int]  # of the content: 0 rejected, 1 sent back, 2 accepted
    style: Mapped[int]  # the same of the style
    verdict: Mapped[str] = mapped_column(index=True)  # "accepted", "sent back" or "rejected"
    settled: Mapped[str]  # "agreed", "adjudicated" or "ambiguous"
    submission: Mapped[Submission] = relationship(back_populates="outcomes")
    applicant: Mapped[Applicant] = relationship(back_populates="outcomes")


class CustomerVerdict(Record):
    """What the customer found of a delivered unit; the latest holds."""

    __tablename__ = "customer_verdict"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    level: Mapped[int]  # 0 rejected, 1 sent back, 2 accepted
    because: Mapped[str]
    by: Mapped[str]
    submission: Mapped[Submission] = relationship(back_populates="customer")


class Checkpoint(Record):
    """A queue came to its n-th accepted unit: what was seen by then, and what it advises."""

    __tablename__ = "checkpoint"
    __table_args__ = (UniqueConstraint("program_id", "queue", "units"),)

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    queue: Mapped[str]
    units: Mapped[int]
    body: Mapped[Json]


class QueueDecision(Record):
    """A lead lets a queue scale, changes it or stops it, with a reason; the latest one holds."""

    __tablename__ = "queue_decision"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    queue: Mapped[str]
    verdict: Mapped[str]  # "scale", "change" or "stop"
    reason: Mapped[str]
    by: Mapped[str]
    evidence: Mapped[Json]  # what was on the screen


# -- judgements that are not delivered --------------------------------------------------------------


class Gold(Record):
    """A unit whose right verdict is known: it is judged to learn about its judges, and never delivered.

    The latest row of a unit holds. Without a verdict it is withdrawn: looks at it say nothing any more.
    """

    __tablename__ = "gold"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    text: Mapped[str]  # the work that is judged; empty where the unit is a judgement by itself
    noticed: Mapped[list[str]]  # what machines say about it
    verdict: Mapped[str]
    errors: Mapped[list[str]]
    wrong_steps: Mapped[list[int]]
    because: Mapped[str]
    doubt: Mapped[float]  # chance that the verdict itself is wrong
    people: Mapped[int]  # so many may see it, ever
    told: Mapped[bool]  # whether whoever judged it may see the right verdict afterwards
    by: Mapped[str]
    unit: Mapped[Unit] = relationship(back_populates="golds")


class Look(Record):
    """A judgement that is not delivered: of a gold unit, of one's own earlier unit again, in a calibration round."""

    __tablename__ = "look"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"), unique=True)
    applicant_id: Mapped[int] = mapped_column(ForeignKey("applicant.id"), index=True)
    request_id: Mapped[str] = mapped_column(unique=True)
    verdict: Mapped[str]
    errors: Mapped[list[str]]
    wrong_steps: Mapped[list[int]]
    because: Mapped[str]
    attested: Mapped[str] = mapped_column(default="")
    seconds: Mapped[float]
    offer: Mapped[Offer] = relationship(back_populates="look")
    applicant: Mapped[Applicant] = relationship(back_populates="looks")


# -- units from files ------------------------------------------------------------------------------------


class Upload(Record):
    """Units that came to a queue together, from a file or a form."""

    __tablename__ = "upload"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    queue: Mapped[str]
    name: Mapped[str]  # of the file
    digest: Mapped[str]  # sha256 of what was sent
    by: Mapped[str]
    undo: Mapped[UploadUndo | None] = relationship(back_populates="upload")


class Source(Record):
    """Where a unit came from, and what the file said of it beside its text."""

    __tablename__ = "source"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), unique=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"), index=True)
    language: Mapped[str]
    part: Mapped[str]
    tags: Mapped[list[str]]


class UploadUndo(Record):
    """An upload was a mistake: its units are nobody's from now on. Only while nobody had begun."""

    __tablename__ = "upload_undo"

    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"), unique=True)
    by: Mapped[str]
    upload: Mapped[Upload] = relationship(back_populates="undo")


def deliverable() -> ColumnElement[bool]:
    """Units that are made for the customer: all but gold, and but those of an upload that was taken back."""
    undone = select(Source.unit_id).join(UploadUndo, UploadUndo.upload_id == Source.upload_id)
    return and_(Unit.id.not_in(select(Gold.unit_id)), Unit.id.not_in(undone))
