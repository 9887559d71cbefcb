"""Tables as files: CSV, JSON or Parquet, by the suffix of the name."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastsim import __version__
from fastsim.errors import UsageError, pip_install, shown
from fastsim.files import owned

Columns = Mapping[str, type]
"""The columns of a table, in order, each with the type of its values: str, int, float or bool. Any value may be None."""
KINDS = {".csv": owned.CSV, ".json": owned.JSON, ".npz": owned.NPZ, ".parquet": owned.NEVER_OURS}
"""What can be written, by suffix."""


def check_table(option: str, path: str | None) -> None:
    """Check that `write_table` will be able to write `path`. Raises UsageError."""
    suffix = _suffix(path or "")
    if not path or suffix not in KINDS:
        raise UsageError(f"{option} must end with one of {', '.join(KINDS)} (got {shown(path or '')!r})")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"{option} {shown(path)}: Parquet needs pyarrow; {pip_install('parquet')}, or write .csv")
    owned.check_target(option, path, KINDS[suffix])


def write_table(option: str, path: str, rows: Sequence[Mapping[str, Any]], columns: Columns, *, name: str) -> None:
    """Write `rows` to `path`, whole or not at all; `name` is the key of the list in JSON. Raises FastsimError."""
    suffix = _suffix(path)
    with owned.whole_file(option, path, KINDS[suffix]) as file:
        file.write(encoded(rows, columns, suffix, name=name))


def encoded(rows: Sequence[Mapping[str, Any]], columns: Columns, suffix: str, *, name: str) -> bytes:
    """Encode `rows` as `.json`, `.csv`, `.npz` or `.parquet` (needs pyarrow). What a row has beyond `columns` is left out.

    A CSV file has a first column more, the version. Names that are not UTF-8 are surrogates in JSON, their own bytes in
    CSV, and shown with replacement characters in Parquet. In NumPy's format a missing value is NaN, -1 or an empty text.
    """
    if suffix == ".json":
        told = [{column: row[column] for column in columns} for row in rows]
        return (json.dumps({"note": owned.NOTE, name: told}, indent=1) + "\n").encode("ascii")
    if suffix == ".csv":
        stream = io.StringIO(newline="")
        writer = csv.writer(stream)
        writer.writerow([owned.CSV.start.decode().rstrip(","), *columns])
        writer.writerows([__version__, *("" if row[one] is None else row[one] for one in columns)] for row in rows)
        return stream.getvalue().encode("utf-8", "surrogateescape")
    if suffix == ".npz":
        return _as_npz(rows, columns)
    import pyarrow as arrow
    from pyarrow import parquet

    kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    schema = arrow.schema([(column, kinds[kind]) for column, kind in columns.items()])
    told = [{column: _for_parquet(row[column]) for column in columns} for row in rows]
    sink = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(told, schema), sink)
    return sink.getvalue()


def _as_npz(rows: Sequence[Mapping[str, Any]], columns: Columns) -> bytes:
    """Return an array of n values for each column: text, int64, float64, or int8 for what is true or false."""
    kinds: dict[type, tuple[Any, object]] = {
        str: (np.str_, ""), int: (np.int64, -1), float: (np.float64, np.nan), bool: (np.int8, -1),
    }  # fmt: skip
    arrays = {}
    for column, kind in columns.items():
        dtype, missing = kinds[kind]
        arrays[column] = np.array([missing if row[column] is None else row[column] for row in rows], dtype)
    sink = io.BytesIO()
    np.savez(sink, **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(sink, "a") as archive:
        archive.comment = owned.NPZ.end
    return sink.getvalue()


def _for_parquet(value: object) -> object:
    return os.fsencode(value).decode("utf-8", "replace") if isinstance(value, str) else value


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
