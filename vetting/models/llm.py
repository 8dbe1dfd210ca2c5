"""Language models as functions: one place that calls them, waits, tries again, turns to the next, and counts.

`ask` gives a whole reply (checked against a schema), `stream` gives it in pieces. Models are tried in their order;
one overall deadline holds for all tries. Whatever goes wrong is a `ModelFaultError` that says what, with every
attempt made; nothing here touches the database, so no transaction can be open across a call because of it.

This is the only importer of litellm, which costs seconds: it is loaded when the first model is called.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib import import_module
from json import dumps
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from vetting.models.prompts import Messages, Prompt, new_marks, render

Fault = Literal[
    "", "time-out", "rate limit", "provider down", "key refused", "request refused", "cut", "empty", "not JSON",
    "wrong form", "leaked", "budget spent", "price unknown", "no model", "left",
]  # fmt: skip
PASSING: frozenset[Fault] = frozenset({"time-out", "rate limit", "provider down", "cut"})
READABLE_NEXT_TIME: frozenset[Fault] = frozenset({"empty", "not JSON", "wrong form"})
TRIES = 2  # of one model, before the next one
FIRST_WAIT = 0.5  # seconds before a second try, unless the provider says how long
LETTERS_A_TOKEN = 3.0  # a cautious guess, for what a call may cost at most
MILLION = 1e6


@dataclass(frozen=True)
class Access:
    """Which models may be called, in order; how long and how dear."""

    models: tuple[str, ...] = ()  # litellm's names; "NAME@http://host/v1" for a server of one's own
    api_key: str = ""  # empty: each provider's own environment variable
    seconds: float = 30.0  # one call may take
    deadline: float = 90.0  # all tries together
    longest_reply: int = 1000  # tokens
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # a million tokens in, out
    money: float | None = None  # left to spend; None: no limit

    def spending(self, money: float | None) -> Access:
        return replace(self, money=money)

    def only(self, *models: str) -> Access:
        return replace(self, models=models)


@dataclass(frozen=True)
class Attempt:
    """One call of one model, however it went."""

    prompt: Prompt
    model: str
    input_hash: str
    messages: Messages
    reply: str
    seconds: float
    tokens_in: int
    tokens_out: int
    cost: float | None  # None: the price is not known
    fault: Fault
    wait: float | None = None  # seconds the provider asks for before another try

    @property
    def rater(self) -> str:
        return f"model:{self.model}@{self.prompt.version}"


Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True)
class Reply(Generic[Form]):
    """What a model said; the last attempt is the good one."""

    text: str
    parsed: Form | None
    attempts: tuple[Attempt, ...]

    @property
    def good(self) -> Attempt:
        return self.attempts[-1]


class ModelFaultError(RuntimeError):
    """No model gave a usable reply; `attempts` says what was tried."""

    def __init__(self, fault: Fault, said: str, attempts: Sequence[Attempt] = ()) -> None:
        self.fault, self.attempts = fault, tuple(attempts)
        super().__init__(said)


@dataclass(frozen=True)
class Question(Generic[Form]):
    """A prompt with all that fills it, and the form its reply must have."""

    prompt: Prompt
    given: Mapping[str, object]  # ours: fills the prompt
    said: Mapping[str, str]  # others': data, marked and defused
    schema: type[Form] | None = None

    @property
    def digest(self) -> str:
        """Equal for equal questions: the marks, which are new each time, do not count."""
        whole = [self.prompt.version, dict(self.given), dict(self.said)]
        return sha256(dumps(whole, sort_keys=True, default=str).encode()).hexdigest()


# -- a whole reply ---------------------------------------------------------------------------------


def ask(access: Access, question: Question[Form], *, sleep: Callable[[float], None] = time.sleep) -> Reply[Form]:
    """The first usable reply of the models in their order. Raises ModelFaultError."""
    attempts: list[Attempt] = []
    for model, seconds in _turns(access, attempts, sleep):
        call = _Call(left_of(access, attempts), model, question, complaint(attempts, model))
        for _ in call.run(seconds, stream=False):
            pass
        parsed, fault = call.read()
        attempts.append(call.attempt(fault))
        if not attempts[-1].fault:
            return Reply(attempts[-1].reply, parsed, tuple(attempts))
    raise failure(attempts)


def stream(
    access: Access, question: Question[Form], attempts: list[Attempt], *, sleep: Callable[[float], None] = time.sleep
) -> Generator[str]:
    """A reply piece by piece; `attempts` receives what was tried, also when the reader leaves early.

    Another try or model comes only before the first piece has been given. Raises ModelFaultError.
    """
    for model, seconds in _turns(access, attempts, sleep):
        call = _Call(left_of(access, attempts), model, question, "")
        pieces = call.run(seconds, stream=True)
        left: Fault = "left"
        try:
            yield from pieces
            left = ""
        finally:
            attempts.append(call.attempt(call.fault or left))
        if not attempts[-1].fault:
            return
        if attempts[-1].reply:
            break
    raise failure(attempts)


def _turns(access: Access, attempts: list[Attempt], sleep: Callable[[float], None]) -> Iterator[tuple[str, float]]:
    """(model, seconds it may take) of each try; the caller adds each attempt, and leaves when one was good."""
    if not access.models:
        raise ModelFaultError("no model", "No model is set, so none was asked. Maybe set ASSAY_MODELS.")
    library()  # loading it is not the provider's time
    end = time.monotonic() + access.deadline
    for place, model in enumerate(access.models):
        for again in reversed(range(TRIES)):
            left = end - time.monotonic()
            if left <= 0:
                return
            yield model, min(left, access.seconds)
            last = attempts[-1]
            if not again or last.fault not in PASSING | READABLE_NEXT_TIME:
                break
            if last.fault in PASSING and not _waited(last, end, sleep, others=place + 1 < len(access.models)):
                break


def _waited(last: Attempt, end: float, sleep: Callable[[float], None], *, others: bool) -> bool:
    """Wait as long as the provider asks, unless another model is there sooner or the deadline comes first."""
    wait = FIRST_WAIT if last.wait is None else last.wait
    if wait > (FIRST_WAIT if others else end - time.monotonic()):
        return False
    sleep(wait)
    return True


def complaint(attempts: Sequence[Attempt], model: str) -> str:
    """What to say to a model whose last reply could not be read; the reply itself is not shown again."""
    unread = attempts and attempts[-1].model == model.partition("@")[0] and attempts[-1].fault in READABLE_NEXT_TIME
    return (
        f"Your last reply was {attempts[-1].fault}. Reply again, in the asked form and nothing else." if unread else ""
    )


def failure(attempts: Sequence[Attempt]) -> ModelFaultError:
    """What to say when nothing helped."""
    if not attempts:
        return ModelFaultError("time-out", "The deadline passed before a model could be asked. Maybe raise it.")
    tried = "; ".join(f"{one.model}: {one.fault}" for one in attempts)
    return ModelFaultError(attempts[-1].fault, f"No model gave a usable reply ({tried}).", attempts)


# -- one call --------------------------------------------------------------------------------------


class _Call:
    """One call of one model: its pieces as they come, then what is to be said of it."""

    def __init__(self, access: Access, model: str, question: Question[Any], also: str) -> None:
        self.access, self.question = access, question
        self.model, _, self.address = model.partition("@")
        self.marks = new_marks()
        self.messages = render(question.prompt, question.given, question.said, self.marks)
        if also:
            self.messages.append({"role": "system", "content": also})
        self.text, self.seconds = "", 0.0
        self.tokens: tuple[int, int] | None = None
        self.fault: Fault = ""
        self.wait: float | None = None

    def run(self, seconds: float, *, stream: bool) -> Iterator[str]:
        """The pieces as they come, for at most `seconds`; afterwards `text` and `fault` are set."""
        began = time.monotonic()
        if fault := self.dear():
            self.fault = fault
            return
        line: SimpleQueue[str | BaseException | None] = SimpleQueue()
        Thread(target=self._listen, args=(line, seconds, stream), daemon=True).start()
        try:
            while (piece := line.get(timeout=max(0.0, began + seconds - time.monotonic()))) is not None:
                if isinstance(piece, BaseException):
                    self.fault, self.wait = fault_of(piece, self.text), wait_of(piece)
                    return
                self.text += piece
                yield piece
        except Empty:
            self.fault = "time-out"
        finally:
            self.seconds = time.monotonic() - began
        if not self.fault and not self.text.strip():
            self.fault = "empty"

    def _listen(self, line: SimpleQueue[str | BaseException | None], seconds: float, stream: bool) -> None:  # noqa: FBT001
        """Runs beside: only the reader's clock decides how long is waited, however slowly bytes arrive."""
        try:
            reply = self._send(seconds, stream)
            if stream:
                for part in reply:
                    for choice in part.choices:
                        line.put(choice.delta.content or "")
                    self._count(part)
                ended = reply.received_finish_reason
            else:
                line.put(reply.choices[0].message.content or "")
                self._count(reply)
                ended = reply.choices[0].finish_reason
            line.put(None if ended in {"stop", "tool_calls"} else ConnectionError("ended early"))
        except Exception as wrong:  # noqa: BLE001 -- the reader judges it
            line.put(wrong)

    def _send(self, seconds: float, stream: bool) -> Any:  # noqa: ANN401, FBT001 -- litellm's own reply
        return library().completion(
            model=self.model, messages=self.messages, api_base=self.address or None,
            api_key=self.access.api_key or ("none" if self.address else None), timeout=seconds, max_retries=0,
            temperature=0.0, max_tokens=self.access.longest_reply, drop_params=True,
            response_format=self.question.schema, stream=stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
        )  # fmt: skip

    def _count(self, reply: Any) -> None:  # noqa: ANN401 -- litellm's own reply
        if (usage := getattr(reply, "usage", None)) is not None:
            self.tokens = usage.prompt_tokens, usage.completion_tokens

    def dear(self) -> Fault:
        """Why the money left does not allow this call, or ""."""
        if self.access.money is None:
            return ""
        most = cost(self.access, self.model, self.guessed_tokens, self.access.longest_reply)
        if most is None:
            return "price unknown"
        return "budget spent" if most > self.access.money else ""

    @property
    def guessed_tokens(self) -> int:
        return round(sum(len(message["content"]) for message in self.messages) / LETTERS_A_TOKEN)

    def read(self) -> tuple[Any, Fault]:
        """The reply in its form, or what is wrong with it."""
        if not self.fault and self.marks.in_text(self.text):
            return None, "leaked"
        if self.fault or self.question.schema is None:
            return None, self.fault
        return read(self.text, self.question.schema)

    def attempt(self, fault: Fault) -> Attempt:
        tokens = self.tokens or (0, 0)
        if self.tokens is None and self.text:
            tokens = self.guessed_tokens, round(len(self.text) / LETTERS_A_TOKEN)
        return Attempt(
            prompt=self.question.prompt, model=self.model, input_hash=self.question.digest, messages=self.messages,
            reply=self.text, seconds=self.seconds, tokens_in=tokens[0], tokens_out=tokens[1],
            cost=cost(self.access, self.model, *tokens), fault=fault, wait=self.wait,
        )  # fmt: skip


def read(text: str, schema: type[Form]) -> tuple[Form | None, Fault]:
    """A reply in its form; a fence around it is forgiven, anything else is not."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare[3:-3].removeprefix("json").strip()
    try:
        return schema.model_validate_json(bare), ""
    except ValidationError as wrong:
        unreadable = any(error["type"] == "json_invalid" for error in wrong.errors())
        return None, "not JSON" if unreadable else "wrong form"


def fault_of(wrong: BaseException, so_far: str) -> Fault:
    """A provider's error, by what is to be done about it."""
    status = getattr(wrong, "status_code", None)
    by_status: dict[int, Fault] = {408: "time-out", 429: "rate limit", 401: "key refused", 403: "key refused"}
    if isinstance(wrong, ConnectionError) or so_far:
        return "cut"
    if status in by_status:
        return by_status[status]
    return "request refused" if isinstance(status, int) and 400 <= status < 500 else "provider down"


def wait_of(wrong: BaseException) -> float | None:
    """Seconds of a Retry-After header."""
    headers = getattr(wrong, "litellm_response_headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:  # a date, or nothing
        return None


# -- money -----------------------------------------------------------------------------------------


def cost(access: Access, model: str, tokens_in: int, tokens_out: int) -> float | None:
    """By the operator's prices, else the published ones; None, never 0, when nobody knows."""
    if (price := access.prices.get(model)) is not None:
        return (tokens_in * price[0] + tokens_out * price[1]) / MILLION
    try:
        return float(sum(library().cost_per_token(model=model, prompt_tokens=tokens_in, completion_tokens=tokens_out)))
    except Exception:  # noqa: BLE001 -- litellm raises several kinds for a model without a price
        return None


def spent(attempts: Sequence[Attempt]) -> float:
    """What is known to have been spent."""
    return sum(one.cost or 0.0 for one in attempts)


def left_of(access: Access, attempts: Sequence[Attempt]) -> Access:
    return access if access.money is None else access.spending(access.money - spent(attempts))


def unpriced(access: Access) -> list[str]:
    """Models whose calls will be kept without a cost: said at the start, not found out at the end."""
    names = [model.partition("@")[0] for model in access.models]
    return [name for name in names if cost(access, name, 1000, 1000) is None]


@cache
def library() -> Any:  # noqa: ANN401 -- a module
    """litellm, loaded late (it takes seconds), quiet, and without asking anybody for a list of prices."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    loaded: Any = import_module("litellm")
    loaded.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydantic\._internal")  # of its own types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded.completion(model="openai/none", messages=[{"role": "user", "content": "."}], mock_response=".")
    return loaded
