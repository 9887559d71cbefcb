"""Limit the memory of decoding: an image is decoded within the memory that is free, or not at all."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastsim.decode.picture import UnreadableError

SHARED = 640 * 2**20
"""Bytes that images decoded at the same time may take together. A larger one waits until it is alone."""
SHARE = 0.6
"""Fraction of the free memory that one image may take."""
SMALL = 64 * 2**20
"""Images that need less are not checked against the free memory: looking it up takes longer than they do."""
_UNLIMITED = 1 << 60


class Budget:
    """Hand out memory to decoding threads; there is one per process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0

    @contextmanager
    def take(self, need: int) -> Iterator[None]:
        """Reserve `need` bytes while the block runs; wait for other threads if they hold too much.

        Raises UnreadableError if the machine has too little free memory.
        """
        with self._changed:
            while self._taken and self._taken + need > SHARED:
                self._changed.wait()
            if need > SMALL and need > (free := int(available_bytes() * SHARE)):
                raise UnreadableError(
                    f"needs about {_in_bytes(need)} of memory to decode, {_in_bytes(max(free, 0))} are free for it"
                )
            self._taken += need
        try:
            yield
        finally:
            if need > SMALL:
                _give_back()
            with self._changed:
                self._taken -= need
                self._changed.notify_all()


BUDGET = Budget()


def _give_back() -> None:
    """Return freed memory to the system: the C library keeps that of each thread, in the end of several images."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)


def available_bytes() -> int:
    """Return the bytes that this process can still allocate within its machine, control groups and limits."""
    return max(0, min(_of_machine(), _of_groups(), _of_limits()))


def _of_machine() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    if sys.platform == "win32":
        return _of_windows()
    with suppress(OSError, ValueError):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return _UNLIMITED


def _of_windows() -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong), ("load", ctypes.c_ulong), ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong), ("more", ctypes.c_ulonglong * 5),
        )  # fmt: skip

    status = Status(ctypes.sizeof(Status))
    found = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined, unused-ignore]
    return int(status.available) if found else _UNLIMITED


def _of_groups() -> int:
    """Return the lowest limit of this process's control groups (version 1 and 2) and of their parents."""
    free = _UNLIMITED
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                root, names = Path("/sys/fs/cgroup"), ("memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                root = Path("/sys/fs/cgroup/memory")
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            folder = root / group.lstrip("/")
            for place in (folder, *folder.parents):
                if place.is_relative_to(root):
                    free = min(free, _of_group(place, *names))
    return free


def _of_group(folder: Path, limit: str, usage: str, cached: str) -> int:
    try:
        most = int((folder / limit).read_text(encoding="ascii"))
        used = int((folder / usage).read_text(encoding="ascii"))
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # "max", no such group, or one that is mounted under another path
        return _UNLIMITED
    given_back = next((int(line.split()[1]) for line in lines if line.split()[0] == cached), 0)
    return most - used + given_back


def _of_limits() -> int:
    """Return the limit of `ulimit -v` and `-d`."""
    try:
        import resource
    except ImportError:
        return _UNLIMITED
    free = _UNLIMITED
    with suppress(OSError, ValueError, IndexError):
        pages = [int(word) for word in Path("/proc/self/statm").read_text(encoding="ascii").split()]
        for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
            most = resource.getrlimit(limit)[0]
            if most != resource.RLIM_INFINITY:
                free = min(free, most - used * os.sysconf("SC_PAGE_SIZE"))
    return free


def _in_bytes(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"
