"""Benchmarks of fastsim. `python -m bench` and `python -m bench.gpu` run in a checkout and measure the installed package.

`python -m` puts the checkout first on sys.path, whose folder fastsim/ has no compiled core. It is moved behind the installed
package here. On a machine without one (bench/gpu/host), the checkout is still found, with the core that lies in it.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [*(entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT), str(_ROOT)]
