"""Write the page of `fastsim tune`: curves as SVG, and borderline pairs side by side, in one HTML file."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastsim.errors import shown
from fastsim.files import owned
from fastsim.tuning.thresholds import Advice

_WIDTH, _HEIGHT, _PAD = 760, 260, 44
_STYLE = (
    "body{font:15px system-ui,sans-serif;max-width:980px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    ".pair{display:inline-block;margin:.5em;padding:.5em;border:1px solid #ccc;vertical-align:top}"
    ".pair img{height:150px;max-width:220px;object-fit:contain;background:#eee;margin-right:4px}"
    ".pair small{display:block;max-width:440px;overflow-wrap:anywhere;color:#555}"
)


def page(advice: Advice, paths: Sequence[str], title: str) -> str:
    """Return the whole page. paths[row] is the file of an embedding row."""
    parts = [
        f"<!doctype html><!-- {owned.NOTE} --><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>",
        f"<p>Suggested threshold: <b>{advice.suggested:g}</b>: {html.escape(advice.reason)}.</p>",
        f"<h2>Scores and what a threshold gives</h2>{chart(advice)}",
        "<table><tr><th>threshold<th>pairs<th>groups<th>files in groups<th>removable<th>largest group</tr>",
        *(
            f"<tr><td>{at.thres:g}<td>{at.pairs:,}<td>{at.groups:,}<td>{at.grouped:,}<td>{at.removable:,}<td>{at.largest:,}"
            for at in advice.curve
        ),
        "</table>",
        *_borderline(advice, paths),
    ]
    return "\n".join([*parts, "</html>", ""])


def chart(advice: Advice) -> str:
    """Return pairs per score (bars, logarithmic) and removable files per threshold (line), as an SVG element."""
    bars = advice.histogram.tolist()
    top = max(max(bars, default=1), 1)
    inner_w, inner_h = _WIDTH - 2 * _PAD, _HEIGHT - 2 * _PAD
    low, high = float(advice.edges[0]), float(advice.edges[-1])

    def x(score: float) -> float:
        return _PAD + (score - low) / (high - low) * inner_w

    def log_height(count: float) -> float:
        return inner_h * _log(count) / max(_log(top), 1e-9)

    lines = [
        f"<!-- {owned.NOTE} -->",
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' font-family='sans-serif' font-size='11'>",
        "<rect width='100%' height='100%' fill='white'/>",
    ]
    step = inner_w / max(len(bars), 1)
    for i, count in enumerate(bars):
        height = log_height(count)
        if count:
            lines.append(
                f"<rect x='{_PAD + i * step:.1f}' y='{_HEIGHT - _PAD - height:.1f}' width='{step - 1:.1f}' "
                f"height='{height:.1f}' fill='#9dbbe0'><title>{advice.edges[i]:.2f}: {count:,} pairs</title></rect>"
            )
    most = max((at.removable for at in advice.curve), default=0) or 1
    points = " ".join(f"{x(at.thres):.1f},{_HEIGHT - _PAD - inner_h * at.removable / most:.1f}" for at in advice.curve)
    lines.append(f"<polyline points='{points}' fill='none' stroke='#c0392b' stroke-width='2'/>")
    mark = x(advice.suggested)
    lines.append(
        f"<line x1='{mark}' x2='{mark}' y1='{_PAD}' y2='{_HEIGHT - _PAD}' stroke='#2c7a2c' stroke-dasharray='4'/>"
    )
    for tick in range(9):
        score = low + (high - low) * tick / 8
        lines.append(f"<text x='{x(score):.0f}' y='{_HEIGHT - _PAD + 16}' text-anchor='middle'>{score:.2f}</text>")
    lines += [
        f"<text x='{_PAD}' y='18' fill='#5a82b4'>bars: pairs a hundredth of score (logarithmic, at most {top:,})</text>",
        f"<text x='{_PAD}' y='34' fill='#c0392b'>line: files that a threshold would remove (at most {most:,}); "
        f"<tspan fill='#2c7a2c'>suggested: {advice.suggested:g}</tspan></text>",
        "</svg>",
    ]
    return "\n".join(lines)


def _log(count: float) -> float:
    import math

    return math.log10(1 + count)


def _borderline(advice: Advice, paths: Sequence[str]) -> Iterator[str]:
    for thres in dict.fromkeys(pair.thres for pair in advice.borderline):
        yield f"<h2>Pairs around {thres:g}: are they duplicates?</h2>"
        for pair in [pair for pair in advice.borderline if pair.thres == thres][:12]:
            names = [paths[pair.left], paths[pair.right]]
            pictures = "".join(f"<img loading='lazy' src='{_uri(name)}' alt=''>" for name in names)
            captions = "".join(f"<small>{html.escape(shown(name))}</small>" for name in names)
            yield f"<div class='pair'><b>{pair.score:.3f}</b><br>{pictures}{captions}</div>"


def _uri(path: str) -> str:
    return html.escape(Path(path).absolute().as_uri(), quote=True)
