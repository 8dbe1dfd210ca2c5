"""Every page with a story to show: what the routes would hand to the templates."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace as Of
from typing import Any

from item_bank.schema import Claim, Item, Provenance
from pydantic import TypeAdapter

NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
ITEM: TypeAdapter[Item] = TypeAdapter(Item)
LONG = "It follows that $\\sum_{k=0}^{n} \\binom{n}{k} = 2^n$, since each element is either in the subset or not."


def item(kind: str, stem: str, **fields: Any) -> Item:
    return ITEM.validate_python({
        "id": f"sample-{kind.replace('_', '-')}", "kind": kind, "title": "A sample", "skills": {"math.proof": 1.0}, "level": "undergraduate",
        "stem": stem, "explanation": "Because it is so.", "provenance": Provenance(author="tests", written=NOW.date()), **fields,
    })  # fmt: skip


ITEMS = {
    "choice": item(
        "choice",
        "Let $X$ be uniform on $[0,1]$ and $Y = X^2$. Which of these is the density of $Y$ on $(0,1)$?\n\n"
        "$$f_Y(y) = \\frac{d}{dy}\\,P(X^2 \\le y) = \\;?$$",
        options=("$\\dfrac{1}{2\\sqrt{y}}$", "$2y$", "$\\sqrt{y}$", "None of these: $Y$ has no density"),
        key="a",
    ),
    "multi": item(
        "multi",
        "This function is called twice with no arguments.\n\n```python\ndef collect(item=1, seen=[]):\n    seen.append(item)\n"
        "    return seen  # a comment long enough to need scrolling on a narrow screen, so that scrolling is tested\n```\n\n"
        "Which statements hold?",
        options=("The second call returns `[1, 1]`", "Both calls return the same object", "A default is evaluated at each call"),
        keys=("a", "b"),
    ),
    "numeric": item(
        "numeric",
        "A sensor logs these readings.\n\n| time | volts | amps |\n|---|---:|---:|\n| 10:00 | 11.9 | 0.40 |\n| 10:05 | 12.1 | 0.42 |\n\n"
        "What is the mean power?",
        answer=4.92,
        tolerance=0.01,
        unit="W",
    ),
    "text": item("text", "Complete the sentence: *Sie hat sich ___ ihre Prüfung vorbereitet.*", accepted=("auf",)),
    "follow": item(
        "follow",
        "Explain to a neighbour why the sky is blue. Write **three sentences**, at most **60 words**, and do not use the word *scatter*.",
        constraints=({"says": "three sentences", "sentences": 3}, {"says": "at most 60 words", "words_at_most": 60}),
        example="One. Two. Three.",
    ),
    "step_grade": item(
        "step_grade",
        "Claim: *if $n^2$ is even, then $n$ is even.* A model gives this proof.",
        steps=("Suppose $n$ is odd, so $n = 2k + 1$ for an integer $k$.", "Then $n^2 = 4k^2 + 2k + 1$.", LONG, "So $n^2$ is odd."),
        first_error=2,
        reasons=("The square is expanded wrongly", "The wrong statement is assumed", "The conclusion does not follow", "No step is wrong"),
        reason_key="a",
    ),
    "preference": item(
        "preference",
        "A reader asks: *how do I undo my last commit but keep the changes?*",
        answers=(
            "Use `git reset --soft HEAD~1`.\n\nYour changes stay in the index:\n\n```\n$ git reset --soft HEAD~1\n$ git status\n```",
            "Use `git reset --hard HEAD~1`. It moves the branch back by one commit and **your files are as they were before**, "
            "so nothing of your work can be lost.",
        ),
        better="a",
        reasons=("B loses the changes", "A is too short", "A leaves the commit in place"),
        reason_key="a",
    ),
    "claim_check": item(
        "claim_check",
        "Judge each claim by the source alone.",
        source="The bridge was opened in 1932 after nine years of work. It carries eight lanes of traffic and two railway tracks. "
        "Its arch spans 503 metres. Painting it takes so long that it is never finished.\n\nTolls were collected in both directions until 1970.",
        claims=(
            Claim(text="The bridge carries trains.", verdict="supported"),
            Claim(text="Work on the bridge began in 1932.", verdict="contradicted"),
            Claim(text="The span of the arch is more than 500 m.", verdict="supported"),
            Claim(text="Tolls paid for the building of it.", verdict="not_stated"),
        ),
    ),
}  # fmt: skip


def skill(name: str, mean: float, sd: float, bar: float | None = None, p: float | None = None, **more: Any) -> Of:
    low, high = mean - 1.645 * sd, mean + 1.645 * sd
    parts = {"start_low": -1.645, "start_high": 1.645, "why": [], "raises": ""} | more
    return Of(name=name, mean=mean, low=low, high=high, bar=bar, p=p, **parts)


SKILLS = [
    skill("Proof", 1.1, 0.28, 0.5, 0.98, why=["Six answers, four of them on proofs at graduate level", "Algebra and Proof go together (.65)"],
          raises="Two of three hard proofs were right. A third would lift it to expert."),
    skill("Combinatorics", 0.35, 0.42, 0.0, 0.80, why=["Three answers"], raises="One more counting question would narrow it most."),
    skill("Algebra", 0.7, 0.35, 0.0, 0.977),
    skill("Number theory", 0.2, 0.75, None, None, raises="No question asked about it directly."),
    skill("Probability", -0.6, 0.4),
]  # fmt: skip
QUESTION = Of(text="5 min on Combinatorics", up=0.93, down=0.41, ask_action="/sample/ask")


def evidence(kind: str, title: str, effect: str, *parts: tuple[str, bool]) -> Of:
    return Of(kind=kind, title=title, on=date(2026, 11, 19), url="#evidence", skill="Proof", effect=effect, parts=list(parts))


EVIDENCE = [
    evidence("step_grade", "An induction that skips its base", "Proof +0.41", ("Marked ", False), ("step 3: the case n = 1 is never shown", True)),
    evidence("numeric", "Four letters, all in wrong envelopes", "Combinatorics +0.22", ("Answered ", False), ("9", True)),
    evidence("preference", "Two proofs of a divisibility", "Proof +0.19", ("Preferred A, since ", False), ("B divides by zero when n = 2", True)),
    evidence("claim_check", "A report on a bridge", "Combinatorics −0.12", ("Two slips in four claims", False)),
    evidence("choice", "Which series converge", "Algebra +0.09"),
]
INVITATION = Of(
    asked_by="Example Program", role="Mathematics reviewer", minutes_low=12, minutes_high=25, until=date(2026, 12, 4), contact="hiring@example.org",
)  # fmt: skip
LEFT = Of(done=9.0, low=11.2, high=17.5)
APPLICANT: dict[str, Any] = {"subject": INVITATION.role, "versions": []}


def asked(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    said: dict[str, Any] = {}
    context = {"asked": Of(id=f"q-{kind}", number=7), "item": ITEMS[kind], "request_id": "r1", "action": f"/sample/next/{kind}", "left": LEFT}
    return "applicant/question.html", APPLICANT | context | {"said": said, "errors": [], "feedback": None, "practice": False} | more


def result(**more: Any) -> dict[str, Any]:
    return APPLICANT | {
        "invitation": INVITATION, "finished": NOW, "questions": 14, "minutes": 21.4, "skills": [Of(**vars(one) | {"bar": None}) for one in SKILLS], "decision": None,
        "evidence": [Of(**vars(one) | {"effect": "raised Proof"}) for one in EVIDENCE],
        "next_steps": [("Now", "A person reads your result."), ("By 4 Dec 2026", "You hear the decision, with its reason.")],
        "retake": "You may try again from 20 May 2027.", "appeal_action": "#", "download_url": "#", "delete_action": "#", "appealed": None,
        "said": {}, "errors": [],
    } | more  # fmt: skip


STAFF: dict[str, Any] = {"who": "recruiter@example.org", "versions": ["scale 2026-11-20", "bank 41f2c9", "engine 0.1.0"], "home_url": "#"}
RECRUITER = STAFF | {"nav": [("Roles", "#", False), ("Mathematics reviewer", "#", True)], "said": {}, "errors": []}
LEAD = STAFF | {"nav": [("Programs", "#", True)]}


def person(name: str, p: float, *skills: Of, question: Of | None = None, decided: str = "") -> Of:
    return Of(name=name, url="#person", p=p, deciding=list(skills), question=question, decided=decided, running=p == 0.62)


GROUPS = [
    Of(people=[person("A. Example", 0.94, SKILLS[0], SKILLS[2], decided="advance")], apart=""),
    Of(apart="These three cannot be told apart", people=[
        person("B. Example", 0.71, SKILLS[0], SKILLS[1], question=QUESTION),
        person("C. Example", 0.62, SKILLS[1], question=QUESTION),
        person("D. Example with a rather long name", 0.58, SKILLS[1], SKILLS[2]),
    ]),
    Of(people=[person("E. Example", 0.004, skill("Proof", -1.4, 0.3, 0.5))], apart=""),
]  # fmt: skip
ROLE = Of(title="Mathematics reviewer", invited=42, started=31, done=27, stopped=1, stopped_why="no more time")
ROLES = [
    Of(id="1", title="Mathematics reviewer", url="#", invited=42, started=31, done=27, stopped=1, stopped_why="no more time", waiting=9),
    Of(id="2", title="Data analyst, French", url="#", invited=8, started=2, done=0, stopped=0, stopped_why="", waiting=0),
]
DOSSIER = RECRUITER | {
    "candidate": Of(name="B. Example", p=0.71, finished=NOW, minutes=21.4, questions=14, list_url="#"), "role": ROLE, "bar_p": 0.9,
    "skills": SKILLS, "evidence": EVIDENCE, "question": QUESTION, "integrity": ["The page lost focus twice, for 4 and 11 seconds"], "decisions": [],
    "may_decide": True, "decide_action": "#", "second_view": "A decline needs a second person.",
}  # fmt: skip

QUEUES = [
    Of(id="q1", name="Combinatorics proofs", kind="proof, 4 steps", units=500, depth="produce, review, second level", minutes_low=38, minutes_high=61,
       hours_low=310, hours_high=505, bars=[Of(skill="Proof", at=0.5, p=0.9), Of(skill="Combinatorics", at=0.0, p=0.8)], value=40.0, human_only=True,
       by=date(2026, 11, 27), filled=0.93, filled_low=0.84, filled_high=0.99, short="second-level reviewers", price=Of(what="One more hour of second level", gain="3.2 units")),
    Of(id="q2", name="Preference pairs, analysis", kind="pair with reason", units=2400, depth="produce, review 1 in 5", minutes_low=9, minutes_high=14,
       hours_low=360, hours_high=560, bars=[], value=None, human_only=False, by=None, filled=1.0, filled_low=1.0, filled_high=1.0, short="", price=None),
]  # fmt: skip
SUPPLY = [
    Of(skill="Proof", demand_hours=310.0, ready_hours=240.0, likely_hours=90.0),
    Of(skill="Combinatorics", demand_hours=290.0, ready_hours=300.0, likely_hours=40.0),
    Of(skill="Analysis", demand_hours=120.0, ready_hours=260.0, likely_hours=0.0),
]
STAFFED = [
    Of(id=f"p{n}", name=f"{letter}. Example", url="#", hours=22.0, of_hours=24.0, pinned={"q1"} if n == 1 else set(), barred={"q2"} if n == 2 else set(),
       seats={"q1": [(18.0, "produce"), (4.0, "second level")]} if n < 3 else {"q2": [(22.0, "produce")]},
       why=["Strongest on Proof; free on Thursday", "One more hour here is worth 3.2 units, elsewhere 1.1", "P(first pass) .88"])
    for n, letter in enumerate("ABCD", 1)
]  # fmt: skip
PLAN = LEAD | {
    "program": Of(name="Autumn proofs", queues_url="#"), "plan": Of(on=NOW, gap=0.004, changed=["2 people moved, 31 stayed"]), "queues": QUEUES, "supply": SUPPLY,
    "people": STAFFED, "conflict": [], "solve_action": "#", "pager": Of(page=1, pages=3, newer_url="", older_url="#"),
    "vet_next": [Of(name="F. Example", url="#", skill="Proof", minutes=5, gain="38 verified units"), Of(name="G. Example", url="#", skill="Combinatorics", minutes=5, gain="12 verified units")],
    "weights": [Of(skill="Proof", weight=0.62, why=["Second-level review is short in one queue"]), Of(skill="Combinatorics", weight=0.27, why=[]), Of(skill="Analysis", weight=0.11, why=[])],
}  # fmt: skip
PROGRAMS = [
    Of(name="Autumn proofs", url="#", queues=2, people=33, filled=0.93, filled_low=0.84, filled_high=0.99, deadline=date(2026, 11, 27), short="second-level reviewers", planned_on=NOW),
    Of(name="French law", url="#", queues=1, people=4, filled=None, filled_low=None, filled_high=None, deadline=None, short="", planned_on=None),
]

PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "invitation": ("applicant/invitation.html", APPLICANT | {
        "invitation": INVITATION, "kept_for": "12 months", "tool_rule": "Calculators and references are fine; assistants that answer for you are not.",
        "skills": [Of(name="Proof", about="Reading, judging and completing arguments"), Of(name="Combinatorics", about="Counting, graphs, recurrences")],
        "alternative_url": "#", "languages": [("en", "English"), ("de", "Deutsch")], "action": "#", "said": {}, "errors": [("consent", "Without your consent nothing can be scored.")],
        "factors": [("1", "As it is"), ("1.25", "1.25 times"), ("1.5", "1.5 times"), ("2", "twice"), ("untimed", "Untimed")],
    }),
    **{f"question-{kind}": asked(kind) for kind in ITEMS},
    "question-error": asked("numeric", said={"number": "four"}, errors=[("number", "“four” cannot be read as a number. Maybe 0.25, 1/4 or 2.5e-3.")]),
    "practice": ("applicant/practice.html", asked("choice", practice=True, left=None, said={"option": "a"})[1] | {
        "total": 8, "start_url": "#", "feedback": Of(verdict="Right", explanation="$F(y) = \\sqrt y$, so $f(y) = \\frac{1}{2\\sqrt y}$.", next_url="#")}),
    "paused": ("applicant/paused.html", APPLICANT | {"resume_action": "#", "until": date(2026, 12, 4), "kept": True, "left": LEFT}),
    "result": ("applicant/result.html", result()),
    "result-decided": ("applicant/result.html", result(decision=Of(verdict="hold", reason="Proof is clear; we ask for five minutes more on Combinatorics.", by="R.", on=NOW), appealed=NOW, evidence=[])),
    "closed": ("applicant/closed.html", APPLICANT | {"what": "This invitation has been used", "why": "It was opened on another device on 19 Nov 2026.", "maybe": "Maybe go on there, or ask for a new link.", "contact": "hiring@example.org"}),
    "recruiter-home": ("recruiter/home.html", RECRUITER | {"roles": ROLES, "invite": Of(action="#", roles=[("1", "Mathematics reviewer")], until="2026-12-04"),
        "created": Of(label="B. Example", url="https://assay.example.org/i/4f1c9d", until=date(2026, 12, 4))}),
    "recruiter-home-empty": ("recruiter/home.html", RECRUITER | {"roles": [], "invite": None, "created": None}),
    "candidates": ("recruiter/candidates.html", RECRUITER | {"role": ROLE, "bar_p": 0.9, "groups": GROUPS, "pager": None}),
    "candidates-empty": ("recruiter/candidates.html", RECRUITER | {"role": ROLE, "bar_p": 0.9, "groups": [], "pager": None}),
    "dossier": ("recruiter/dossier.html", DOSSIER),
    "dossier-decided": ("recruiter/dossier.html", DOSSIER | {"notice": "Decision recorded.", "decisions": [Of(verdict="advance", reason="Proof and Combinatorics clear their bars.", by="recruiter@example.org", on=NOW)]}),
    "dossier-empty": ("recruiter/dossier.html", DOSSIER | {"evidence": [], "integrity": [], "question": None}),
    "programs": ("lead/home.html", LEAD | {"programs": PROGRAMS}),
    "programs-empty": ("lead/home.html", LEAD | {"programs": []}),
    "queues": ("lead/queues.html", LEAD | {"program": Of(name="Autumn proofs", plan_url="#", deadline=date(2026, 11, 27)), "queues": QUEUES}),
    "plan": ("lead/plan.html", PLAN),
    "plan-none": ("lead/plan.html", PLAN | {"plan": None, "people": [], "pager": None, "conflict": ["A. Example keeps 18 h in Combinatorics proofs", "A. Example has 12 h this week"]}),
    "error": ("error.html", {"audience": "staff", "status": 404, "what": "There is no such candidate", "where": "/recruiter/candidates/81", "maybe": "Maybe the person has deleted their data, or the address is cut off.", "home_url": "#"}),
}  # fmt: skip
