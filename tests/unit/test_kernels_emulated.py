"""Every version of the CUDA kernels, run on a CPU by tests/emulator: the pairs of a float64 oracle, the bits of the C core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from emulator import EARLY, LATE, Emulator, Rows, emulator
from oracle import BAND, make, scan

from fastsim import _core
from fastsim.similarity.kernels import KERNELS


class Case(NamedTuple):
    """Rows a (n) against rows b (m), or against themselves where m is 0."""

    n: int
    m: int
    d: int

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows with duplicates among them; one is zero, one is not finite."""
        rows = make(self.n + self.m, self.d, seed=self.n + self.d)
        if self.n > 9:
            rows[7], rows[8, 3] = 0, np.inf
        rows[self.n - 1] = rows[0]
        a = rows[: self.n]
        return a, (rows[self.n :] if self.m else a)


CASES = [Case(2, 0, 16), Case(129, 0, 40), Case(70, 300, 96), Case(130, 60, 256)]
OWN_CASES = {
    "simple": [Case(128, 129, 544)],
    "strips": [Case(128, 129, 544), Case(40, 2300, 32)],  # more columns than a strip has
    "strips3": [],
    "hopper": [Case(4200, 300, 64), Case(700, 0, 256)],  # more rows than a strip has; blocks below the diagonal
}
ALL = [(name, case) for name in KERNELS for case in CASES + OWN_CASES[name]]


def cosines(a: np.ndarray, b: np.ndarray, upper: bool, labels: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """float64[n, m]; -inf for what is no pair."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        scores = np.nan_to_num(a, posinf=0) @ np.nan_to_num(b, posinf=0).T / lengths
    scores[~((lengths > 0) & np.isfinite(lengths))] = -np.inf
    if upper:
        scores[np.tril_indices(len(a))] = -np.inf
    if labels:
        scores[labels[0][:, None] == labels[1]] = -np.inf
    return scores


def assert_found(device: Emulator, a: Rows, b: Rows, truth: np.ndarray, low: float, *, upper: bool, when: int) -> None:
    found = device.prefilter(a, b, low, upper=upper, when=when)
    dense = np.zeros(truth.shape, bool)
    dense[found.left[: found.count], found.right[: found.count]] = True
    assert dense.sum() == found.count, "a pair was written twice"
    sure = np.abs(truth - low) > BAND
    assert np.array_equal(dense[sure], (truth >= low)[sure])


@pytest.mark.parametrize(("name", "case"), ALL)
@pytest.mark.parametrize("when", [LATE, EARLY], ids=["late", "early"])
def test_the_pairs_are_those_of_the_oracle(name: str, case: Case, when: int) -> None:
    device, upper = emulator(name), not case.m
    a, b = case.vectors()
    for low in (-0.2, 0.6) if len(a) < 1000 else (0.6,):
        truth = cosines(a, b, upper, None)
        assert_found(device, device.rows(a), device.rows(b), truth, low, upper=upper, when=when)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("case", [Case(129, 0, 40), Case(70, 300, 96)])
def test_pairs_with_equal_labels_are_left_out(name: str, case: Case) -> None:
    device, upper = emulator(name), not case.m
    a, b = case.vectors()
    labels = np.arange(len(a)) // 3, (np.arange(len(a)) // 3 if upper else np.arange(len(b)) // 2)
    truth = cosines(a, b, upper, labels)
    assert_found(device, device.rows(a, labels[0]), device.rows(b, labels[1]), truth, 0.3, upper=upper, when=LATE)


@pytest.mark.parametrize("name", KERNELS)
def test_each_row_can_have_a_threshold_of_its_own_and_leave_itself_out(name: str) -> None:
    device = emulator(name)
    a, _ = Case(129, 0, 40).vectors()
    lows = np.linspace(0.1, 1.2, len(a), dtype=np.float32)
    rows = device.rows(a)._replace(lows=lows)
    truth = cosines(a, a, False, None)
    truth[np.diag_indices(len(a))] = -np.inf
    found = device.prefilter(rows, rows, float(lows.min()), upper=2)
    dense = np.zeros(truth.shape, bool)
    dense[found.left[: found.count], found.right[: found.count]] = True
    sure = np.abs(truth - lows[:, None]) > BAND
    assert dense.sum() == found.count and np.array_equal(dense[sure], (truth >= lows[:, None])[sure])


@pytest.mark.parametrize("name", KERNELS)
def test_pairs_beyond_the_room_are_counted_and_not_written(name: str) -> None:
    device = emulator(name)
    a, b = Case(70, 300, 96).vectors()
    truth = cosines(a, b, False, None)
    rows = device.rows(a), device.rows(b)
    for room in (1, 50):
        found = device.prefilter(*rows, -2.0, room=room)
        assert found.count == int((truth > -np.inf).sum()) > room
        assert len({*zip(found.left.tolist(), found.right.tolist(), strict=True)}) == room
        assert (truth[found.left, found.right] > -np.inf).all()


@pytest.mark.parametrize("case", [Case(129, 0, 40), Case(70, 60, 96)])
def test_the_reference_finds_the_pairs_of_the_oracle(case: Case) -> None:
    device, upper = emulator("simple"), not case.m
    a, b = case.vectors()
    truth = cosines(a, b, upper, None)
    found = device.prefilter_reference(device.rows(a), device.rows(b), 0.4, upper=upper)
    dense = np.zeros(truth.shape, bool)
    dense[found.left[: found.count], found.right[: found.count]] = True
    assert np.array_equal(dense, truth >= 0.4)


@pytest.mark.parametrize("d", [16, 40, 256, 1056])
def test_scores_have_the_bits_of_the_c_core_and_none_is_above_1(d: int) -> None:
    device = emulator("simple")
    vectors = make(90, d, seed=d)
    vectors[60:] = vectors[:30]  # duplicates: rounding alone would score some of them 1.0000001
    rows = device.rows(vectors)
    found = device.prefilter_reference(rows, rows, 0.5, upper=True)
    scores = device.rescore(rows, rows, found)
    dense = np.full((90, 90), -np.inf, np.float32)
    dense[found.left[: found.count], found.right[: found.count]] = scores
    exact = scan(_core.Rows(vectors), 90, 0.6)
    at = exact > -np.inf
    assert np.array_equal(exact[at].view(np.uint32), dense[at].view(np.uint32))
    assert scores.max() == 1 and (scores == 1).sum() >= 20


@pytest.mark.parametrize(
    ("name", "change", "when"),
    [
        ("simple", ("copy_wait<STAGES - 2>();", "copy_wait<STAGES - 1>();"), LATE),
        ("simple", ("__syncthreads();  // slab s", "// slab s"), EARLY),
        ("hopper", ("wgmma_wait<0>();", "wgmma_wait<1>();"), LATE),
        ("hopper", ("barrier_wait(sh.empty + stage, (i / STAGES + 1) & 1);", ""), EARLY),
    ],
    ids=["a slab is read too soon", "no barrier", "dots are read too soon", "a slab is overwritten"],
)
def test_the_emulator_sees_what_a_pipeline_does_wrong(name: str, change: tuple[str, str], when: int) -> None:
    a, b = Case(70, 300, 96).vectors() if name == "simple" else Case(700, 300, 256).vectors()
    truth = cosines(a, b, False, None)
    device = emulator(name, change)
    with pytest.raises(AssertionError):
        assert_found(device, device.rows(a), device.rows(b), truth, 0.3, upper=False, when=when)
