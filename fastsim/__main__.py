"""Run the program `fastsim`, also as `python -m fastsim`."""

from __future__ import annotations

import os
import signal
import sys


def _interrupted_early(*_: object) -> None:
    """End at once, while Python still imports: there is nothing to clean up yet."""
    os.write(2, b"fastsim: interrupted; no file was changed\n")
    os._exit(130)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if a shell has it ignored
    signal.signal(signal.SIGINT, _interrupted_early)

from contextlib import suppress  # noqa: E402
from typing import NoReturn  # noqa: E402

_SETTINGS = {
    # NumPy's and OpenCV's OpenBLAS: their threads sleep between calls instead of spinning, from the import on
    "OPENBLAS_THREAD_TIMEOUT": "4",
}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)  # before what reads them is imported

from fastsim.cli.main import main  # noqa: E402


def program() -> NoReturn:
    """Run `cli.main`, and then end the process at once.

    Everything is written and closed by then, and the teardown of Python and OpenVINO takes more than a tenth of a
    second.
    """
    code: object = 1
    if callable(signal.getsignal(signal.SIGINT)):  # the handler above, or that of the script `fastsim`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:  # a second signal, while the first ended the program
        code = 130
    except SystemExit as ended:
        code = ended.code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # everything is done and printed
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None:
            with suppress(OSError, ValueError):  # closed, or nobody reads it: the exit code says so already
                stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    program()
