"""What part of the groups the page shows, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastsim.errors import UsageError

SORTS = ("score", "bytes", "size", "folder", "date")
STATES = ("all", "undecided", "decided", "changed", "blocked")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class View:
    """Filters and an order.

    `stamp` names one look at the groups: with the same stamp the order stays as it was, whatever is decided meanwhile, so that
    no row moves under the pointer.
    """

    sort: str = "bytes"
    down: bool = True
    state: str = "all"
    text: str = ""
    form: str = ""
    low: float = 0.0
    high: float = 1.0
    stamp: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, object]) -> View:
        """Return the view that a request asks for. Raises UsageError for invalid values."""
        sort, state = str(query.get("sort", "bytes")), str(query.get("state", "all"))
        for name, value, allowed in (("sort", sort, SORTS), ("state", state, STATES)):
            if value not in allowed:
                raise UsageError(f"{name} must be one of {', '.join(allowed)} (got {value[:40]!r})")
        try:
            low, high = float(str(query.get("low", 0))), float(str(query.get("high", 1)))
        except ValueError:
            raise UsageError("low and high must be numbers from 0 to 1") from None
        words = {name: str(query.get(name, ""))[:_LONGEST] for name in ("text", "form", "stamp")}
        return cls(
            sort, str(query.get("down", "1")) in ("1", "True", "true"), state, words["text"].casefold(), words["form"],
            low, high, words["stamp"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """What filters and orders look at of a group."""

    members: Sequence[int]
    score: float
    gain: int
    date: int
    paths: Sequence[str]
    """Case folded."""
    forms: frozenset[str]
    state: str
    """undecided, decided, changed or blocked."""


def select(cards: Sequence[Card], view: View) -> list[Sequence[int]]:
    """Return the members of the groups that `view` shows, in its order."""
    chosen = [card for card in cards if _shows(view, card)]
    chosen.sort(key=lambda card: _key(view.sort, card), reverse=view.down)
    return [card.members for card in chosen]


def _shows(view: View, card: Card) -> bool:
    state = view.state in ("all", card.state) or (view.state == "decided" and card.state == "changed")
    return (
        state
        and view.low <= card.score <= view.high
        and (not view.form or view.form in card.forms)
        and (not view.text or any(view.text in path for path in card.paths))
    )


def _key(sort: str, card: Card) -> tuple[object, int]:
    first = -card.members[0] if card.members else 0
    keys: Mapping[str, object] = {
        "score": card.score, "bytes": card.gain, "size": len(card.members), "date": card.date, "folder": card.paths[0],
    }  # fmt: skip
    return keys[sort], first
