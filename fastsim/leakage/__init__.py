"""Leakage: which images of one split of a data set have copies in another, or a copy of another class."""

from __future__ import annotations

from collections import Counter

import numpy as np

from fastsim import pipeline
from fastsim.config import Compute, Scan
from fastsim.embed_files import to_vectors
from fastsim.leakage.candidates import find_candidates
from fastsim.leakage.leaks import Leaks
from fastsim.leakage.splits import Split, find_classes, split_names, split_roots
from fastsim.records.pairs import STATUSES, PairBlock, Status, VerifiedPairs
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings
from fastsim.verified_pairs import FLOOR, Verifier


def find_leaks(what: Scan, compute: Compute, thres: float, *, verify: bool, progress: Progress) -> Leaks:
    """Compare every split of `what.inputs` with every other one, and inside each the classes.

    Folders right below a split are its classes where another split has folders of the same names. Raises UsageError for
    fewer than two inputs, and for nested inputs.
    """
    timings: Timings = {}
    roots = split_roots(what.inputs)
    listing = pipeline.scan(what, progress, timings)
    files, unlisted, left_out = listing
    embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
    place = {root: number for number, root in enumerate(roots)}
    split_of = np.array([place[files[i].root] for i in embeddings.ids.tolist()], np.int64)
    classes, class_of = find_classes(embeddings, files, split_of, len(roots))
    verifier = Verifier(embeddings, files, compute, progress, timings)
    pairs = find_candidates(verifier, split_of, class_of, max(FLOOR, thres) if verify else thres)
    known = _checked(pairs, verifier, verify)
    counts = Counter(file.root for file in files)
    splits = tuple(
        Split(name, root, counts[root]) for name, root in zip(split_names(what.inputs, roots), roots, strict=True)
    )
    return Leaks(
        splits, files, (*unlisted, *undecoded), embeddings, split_of, class_of, classes, known, verify, thres, environment,
        left_out, timings,
    )  # fmt: skip


def _checked(pairs: PairBlock, verifier: Verifier, verify: bool) -> VerifiedPairs:
    """Return the pairs with what verification says of them, without those that are different."""
    if not verify:
        return VerifiedPairs.undecided(pairs)
    known = verifier.check(pairs)
    return known.take(np.flatnonzero(known.status != STATUSES.index(Status.DIFFERENT)))
