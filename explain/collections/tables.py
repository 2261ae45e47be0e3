"""The columns of a run's Parquet files, as `explain/collections/README.md` describes them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from explain.collections.map_figures import NAMES
from explain.collections.question import CollectionQuestion
from explain.collections.region_finder import name_region

TOP = 5
"""Likeliest classes that are kept."""

_ABOUT = (
    ("id", pa.string()),
    ("uri", pa.string()),
    ("digest", pa.string()),
    ("state", pa.string()),
    ("error", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("label", pa.string()),
    ("group", pa.string()),
    ("predicted", pa.string()),
    ("probability", pa.float32()),
    ("margin", pa.float32()),
    ("top_labels", pa.list_(pa.string())),
    ("top_values", pa.list_(pa.float32())),
    ("correct", pa.bool_()),
    ("target", pa.string()),
    ("unlike", pa.float32()),
    ("agreement", pa.float32()),
)


def name_column(method: str, what: str = "") -> str:
    """The column of a method: `grad_cam`, and of what is said of its map `grad_cam_border`."""
    return "_".join(filter(None, (method.replace("-", "_"), what)))


def list_result_fields(question: CollectionQuestion) -> pa.Schema:
    """The columns of `results-*.parquet`."""
    fields = [*_ABOUT]
    for method in question.methods:
        fields += [(name_column(method, name), pa.bool_() if name == "blank" else pa.float32()) for name in NAMES]
        if question.verdicts:
            fields.append((name_column(method, "verdict"), pa.string()))
        fields += [(name_column(method, name_region(region)), pa.float32()) for region in question.regions]
    return pa.schema(fields)


def list_map_fields(question: CollectionQuestion) -> pa.Schema:
    """The columns of `maps-*.parquet`: by method the values row by row, how many rows, the scale, and the box."""
    fields = [("id", pa.string())]
    for method in question.methods:
        fields += [
            (name_column(method), pa.list_(pa.float16())),
            (name_column(method, "rows"), pa.int16()),
            (name_column(method, "scale"), pa.float32()),
            (name_column(method, "box"), pa.list_(pa.float32())),
        ]
    return pa.schema(fields)


THUMBNAIL_FIELDS = pa.schema([("id", pa.string()), ("jpeg", pa.binary())])
"""The columns of `thumbs-*.parquet`."""


def build_table(rows: Sequence[Mapping[str, Any]], fields: pa.Schema) -> pa.Table:
    """Rows as a table; what a row does not name is null."""
    return pa.Table.from_pydict({name: [row.get(name) for row in rows] for name in fields.names}, schema=fields)
