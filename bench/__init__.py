"""Benchmarks of fastsim: `python -m bench`, `python -m bench.pairs` and so on run in a checkout.

They measure the installed package. `python -m` puts the checkout first on sys.path, whose folder fastsim/ has no compiled
core, so it is moved behind the installed package here. On a machine without one (bench/gpu/host), the checkout is still
found, with the core that is in it. tests/ follows, whose `media` draw images and videos.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [
    *(entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT),
    str(_ROOT),
    str(_ROOT / "tests"),
]
