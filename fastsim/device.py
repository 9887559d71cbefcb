"""Where a run computes: the CPU, or GPUs by their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastsim.choices import DeviceKind


@dataclass(frozen=True, slots=True)
class Device:
    """The CPU, or CUDA devices by number; of several, the first one runs the network."""

    kind: DeviceKind
    indices: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Device:
        """Return the device that `cpu`, `cuda`, `cuda:N` or `cuda:N,M` names; `cuda` is the first. Raises ValueError."""
        if text == DeviceKind.CPU:
            return CPU
        if not re.fullmatch(r"cuda(:\d+(,\d+)*)?", text):
            raise ValueError(f"device must be one of auto, cpu, cuda, cuda:N, cuda:N,M (got {text!r})")
        numbers = text.partition(":")[2] or "0"
        return cls(DeviceKind.CUDA, tuple(map(int, numbers.split(","))))

    @property
    def is_cuda(self) -> bool:
        """Whether this is one or several CUDA devices."""
        return self.kind == DeviceKind.CUDA

    @property
    def first(self) -> int:
        """Number of the first CUDA device."""
        return self.indices[0]

    def __str__(self) -> str:
        """Return `cpu`, `cuda:0` or `cuda:0,1`."""
        return f"{self.kind}:{','.join(map(str, self.indices))}" if self.indices else str(self.kind)


CPU = Device(DeviceKind.CPU)
