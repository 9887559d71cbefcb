"""The compiled core (csrc/). Arguments that do not fit each other raise ValueError; long work releases the GIL."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float16Array, Float32Array, Int32Array, Int64Array, Uint8Array

ROOM: Final[int]
"""Least capacity, in pairs, of the buffers that `Rows.scan` writes to."""

SKETCH_MAX: Final[int]
"""Most dimensions of a sketch."""

def isas() -> tuple[str, ...]:
    """Return the names of the kernels that this machine can run, best first: avx512, avx2, neon, serial."""

class Rows:
    """Rows ready to be compared.

    float16[n, d], C-contiguous; not copied if d is a multiple of 16, and not to be changed.

    score(a, b) is dot / (norm * norm), summed in float32 in an order that does not depend on the kernel, on the place
    of the rows or on which comes first: the same two rows score the same bits everywhere. A row that is zero or not
    finite scores NaN. csrc/tile.h holds the definition, its error, and the proof that the sketch loses no pair.
    """

    def __new__(cls, vectors: Float16Array, isa: str = "") -> Rows:
        """`isa` forces one of `isas()`; "" takes the best. Raises ValueError for one that this machine lacks."""

    @property
    def isa(self) -> str:
        """The kernel in use."""

    @property
    def most(self) -> int:
        """The largest code of a sketch that this kernel takes."""

    def sketch(self, basis: Float16Array, scale: float, limit: float, slack: float, /) -> None:
        """Make room for int8 codes of k dimensions; until a row is encoded it is similar to nothing.

        basis: float16[k, d], nearly orthonormal rows, k a multiple of 4; csrc/tile.h defines scale, limit and slack.
        """

    def encode(self, start: int, stop: int, /) -> None:
        """Encode rows start..stop - 1; threads may encode disjoint ranges."""

    def views(self, kind: Int32Array, start: Int64Array, vectors: Float16Array, /) -> None:
        """Add further rows to some rows; from now on the score of a pair is the lowest of its rows and their views.

        kind: int32[n]; rows of different kinds are similar to nothing of each other. start: int64[n + 1], ascending
        from 0: row i has the views vectors[start[i] : start[i + 1]]; of two rows, as many are compared as both have.
        vectors: float16[start[n], d], copied.
        """

    def lowest(self, left: Int64Array, right: Int64Array, score: Float32Array, /) -> None:
        """Lower score[k], that of the rows left[k] and right[k] alone, to the lowest with their views.

        It becomes -1 for rows of different kinds.
        """

    def scan(
        self, thres: float, tile: tuple[int, int, int, int], row_labels: Int32Array, col_labels: Int32Array,
        cursor: int, left: Int64Array, right: Int64Array, score: Float32Array, /,
    ) -> tuple[int, int]:  # fmt: skip
        """Write the pairs with score >= thres and row < column of the tile (r0, r1, c0, c1).

        r0 is a multiple of 4, c0 one of 64.

        Labels: int32, one per row and one per column of the tile, or both empty. Pairs whose labels are equal are left
        out, and labels become equal as pairs are found: the pairs of one call are a forest. Returns how many pairs
        were written, and -1 or, if the buffers were too small for all, the cursor to call again with (0 at first):
        nothing is lost.
        """

    def cover(
        self, thres: float, keeper: Int64Array, member: Int64Array, by: Int64Array, score: Float32Array, /
    ) -> int:
        """For members (rows) with by < 0: the first keeper with score >= thres goes to `by`, its score to `score`."""

    def choose(
        self, thres: float, keeper: Int64Array, member: Int64Array, by: Int64Array, score: Float32Array, /
    ) -> int:
        """Visit members with by < 0 in order, and make those that no keeper of this call covers keepers.

        A keeper gets its own row as `by`, and score 1.
        Writes the keepers to `keeper`, which needs room for all members, and returns their number.
        """

    def nearest(
        self, floor: float, k: int, start: int, stop: int, index: Int64Array, score: Float32Array, among: Rows = ..., /
    ) -> None:
        """Write the k other rows with the highest score >= floor to rows start..stop - 1, best first, ties by row.

        start is a multiple of 4; index: int64[stop - start, k], -1 where there are fewer; score: float32 of that shape.
        among: another set, of rows as long and with the same kernel, whose rows are found in place of those of this
        one. Threads may search disjoint ranges.
        """

def match_isas() -> tuple[str, ...]:
    """Return the names of the matchers that this machine can run, best first."""

def match(left: Uint8Array, right: Uint8Array, out: NDArray[np.void], isa: str = "", /) -> None:
    """Write the nearest right descriptor of each left one by Hamming distance, and the distance to the second.

    left: uint8[m, 32]; right: uint8[n, 32]; out: [m] of `fastsim.verification.matching.MATCH`.
    """

def align(
    descriptor: Uint8Array, keypoint: Float32Array, start: Int64Array, width: Int32Array, left: Int64Array,
    right: Int64Array, ratio: float, tolerance: float, step: int, out: NDArray[np.void], isa: str = "", /,
) -> None:  # fmt: skip
    """Align pairs of images by their features; csrc/align.h defines the result.

    descriptor: uint8[f, 32]; keypoint: float32[f, 4] (x, y, angle in degrees, size); those of image i are
    start[i]..start[i + 1] - 1; width: int32[n] of each image in pixels, or of length 0: then mirror images are not tried;
    left, right: int64[k], the images of each pair; ratio: of the nearest distance to the second; tolerance: pixels;
    step: one in so many left features is looked at first; out: [k] of `fastsim.verification.matching.ALIGNMENT`.
    """

def features(grey: Uint8Array, size: tuple[int, int], pattern: NDArray[np.int8], out: NDArray[np.void], /) -> int:
    """Find the features of a image and return their number; csrc/features.h defines the result.

    grey: uint8[height, width], sides of 1 to 1,023; size: (width, height); pattern: int8[32, 256, 4]; out: as many
    `struct feature` as are wanted at most. Raises ValueError for what does not fit.
    """

def blocks(
    left: Uint8Array, right: Uint8Array, inside: Uint8Array, size: tuple[int, int], side: int, reach: int,
    out: NDArray[np.void], /,
) -> None:  # fmt: skip
    """Compare two aligned images block by block; csrc/blocks.h defines the result.

    left, right, inside: uint8[height, width]; size: (width, height); side: of a block in pixels, 1 to 64; reach: pixels
    that a block may be moved by, 0 to 8; out: [height // side, width // side] of `fastsim.verification.agreement.BLOCK`.
    """

def join(parent: Int32Array, left: Int64Array, right: Int64Array, /) -> int:
    """Unite the components of left[k] and right[k]; return how many components fewer there are.

    parent: int32[n], -1 everywhere at first: an element's parent, or minus the size of its component at a root.
    """

def labels(parent: Int32Array, start: int, label: Int32Array, /) -> None:
    """Write the root of each element from `start` on to `label`."""

def headers(data: Uint8Array, start: Int64Array, out: Int32Array, /) -> None:
    """Read the headers of encoded images.

    data: uint8[bytes], one file after the other; start: int64[n + 1], where each begins, and the end. out: int32[n, 7]: kind,
    width, height, channels, bits, orientation, flags (csrc/headers.h; `fastsim.inputs.headers` has them by name).
    """
