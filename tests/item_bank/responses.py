"""Responses to items: the one its own key asks for, and a plainly wrong one."""

from item_bank.schema import Choice, ClaimCheck, Follow, Multi, Numeric, Preference, StepGrade, Text


def right(item):  # noqa: PLR0911 -- one line a kind
    """The response that earns full marks, made from the item's own key."""
    match item:
        case Choice():
            return {"option": item.key}
        case Multi():
            return {"option": list(item.keys)}
        case Numeric():
            return {"number": repr(item.answer)}
        case Text():
            return {"text": item.accepted[0]}
        case Follow():
            return {"text": item.example}
        case StepGrade():
            return {"step": str(item.first_error), "reason": item.reason_key}
        case Preference():
            return {"answer": item.better, "reason": item.reason_key}
        case ClaimCheck():
            return {f"claim{n}": claim.verdict for n, claim in enumerate(item.claims, start=1)}
    raise TypeError(item.kind)


def other(letter):
    return "b" if letter == "a" else "a"


def wrong(item):  # noqa: PLR0911 -- one line a kind
    """A readable response that earns nothing."""
    match item:
        case Choice():
            return {"option": other(item.key)}
        case Multi():
            letters = "abcdefgh"[: len(item.options)]
            return {"option": [letter for letter in letters if letter not in item.keys]}
        case Numeric():
            return {"number": repr(item.answer + 10 * item.tolerance + 12345)}
        case Text():
            return {"text": "certainly not this"}
        case Follow():
            return {"text": "?"}
        case StepGrade():
            far = [step for step in range(len(item.steps) + 1) if step == 0 or abs(step - item.first_error) > 1]
            return {"step": str(next(s for s in far if s != item.first_error)), "reason": other(item.reason_key)}
        case Preference():
            return {"answer": other(item.better), "reason": item.reason_key}
        case ClaimCheck():
            turn = {"supported": "contradicted", "contradicted": "not_stated", "not_stated": "supported"}
            return {f"claim{n}": turn[claim.verdict] for n, claim in enumerate(item.claims, start=1)}
    raise TypeError(item.kind)
