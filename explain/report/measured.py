"""What was measured of maps, as files: a table for a spreadsheet, and all of it with what each measure is."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from explain.faithfulness.measured import Measured
from explain.faithfulness.measures import MEASURES
from explain.pictures.picture import Picture

Entries = Sequence[tuple[Picture, Measured]]
"""Pictures under the names by which they may be called, each with what was measured of its maps."""


def encode_table(entries: Entries) -> bytes:
    """A line a map, a column a measure, as CSV in UTF-8; what could not be measured is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "sha256", "class", "map", "kind", "maps", *MEASURES])
    for picture, measured in entries:
        for row in measured.rows:
            figures = ["" if math.isnan(row.figures[name]) else f"{row.figures[name]:.6g}" for name in MEASURES]
            about = [picture.name, picture.source or picture.digest, measured.label, row.title, row.kind, row.count]
            writer.writerow([*about, *figures])
    return text.getvalue().encode()


def encode_measured(entries: Entries) -> bytes:
    """Figures and curves as JSON, and of each measure its direction, settings, limits and paper."""
    about = {
        name: {
            "title": measure.title,
            "category": measure.category,
            "better": measure.better,
            "unit": measure.unit,
            "settings": dict(measure.settings),
            "rule": measure.rule,
            "cannot": measure.cannot,
            "paper": measure.paper,
        }
        for name, measure in MEASURES.items()
    }
    pictures = [_describe(picture, measured) for picture, measured in entries]
    return json.dumps({"measures": about, "pictures": pictures}, indent=1, ensure_ascii=False).encode()


def _describe(picture: Picture, measured: Measured) -> dict[str, Any]:
    return {
        "picture": picture.name,
        "sha256": picture.source or picture.digest,
        "class": measured.label,
        "whole": measured.whole,
        "best": measured.best.name,
        "best_sentence": measured.best.sentence,
        "notes": list(measured.notes),
        "unavailable": measured.unavailable,
        "rows": [
            {
                "name": row.name,
                "title": row.title,
                "kind": row.kind,
                "maps": row.count,
                "figures": {name: None if math.isnan(value) else value for name, value in row.figures.items()},
            }
            for row in measured.rows
        ],
        "curves": [
            {
                "row": curve.row,
                "measure": curve.measure,
                "shares": curve.shares.tolist(),
                "scores": curve.scores.tolist(),
                "low": curve.low.tolist(),
                "high": curve.high.tolist(),
            }
            for curve in measured.curves
        ],
    }
