"""The program `fastsim`, also as `python -m fastsim`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

_SETTINGS = {
    # NumPy's and OpenCV's OpenBLAS: their threads sleep between calls in place of spinning, from the import on
    "OPENBLAS_THREAD_TIMEOUT": "4",
}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)  # before what reads them is imported

from fastsim.cli import main  # noqa: E402


def program() -> NoReturn:
    """`cli.main`, and then the end of the process at once: all is written and closed by then, and for Python to take
    itself and OpenVINO apart is more than a tenth of a second."""
    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None:
            with suppress(OSError, ValueError):  # closed, or nobody reads it: the exit code says so already
                stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    program()
