"""`fastsim decisions`: the pairs that a person has called "not a duplicate"."""

from __future__ import annotations

from datetime import UTC, datetime

from fastsim import decisions
from fastsim.errors import shown
from fastsim.report.results import plural
from fastsim.run.terminal import out


def list_decisions() -> None:
    """Print each pair with the time of the decision, and where its files were then."""
    known = decisions.read_all()
    for one in known:
        when = datetime.fromtimestamp(one.time, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        out(f"{when}  {shown(one.first_path)}  {shown(one.second_path)}")
    out(
        f"{plural(len(known), 'pair')} called not a duplicate; by content, so that moved and renamed files count as well"
    )


def clear_decisions() -> None:
    """Remove all pairs."""
    out(f"{plural(decisions.clear(), 'decision')} forgotten")
