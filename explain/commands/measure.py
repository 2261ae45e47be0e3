"""`measure`: how the maps of pictures compare, in figures."""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.bundled.models import FIRST_MODEL
from explain.commands.flags import (
    CHECKPOINT,
    ModelName,
    NameMode,
    White,
    app,
    keep_recipe,
    read_model,
    read_settings,
    split_names,
    with_flags,
)
from explain.commands.progress_lines import say_progress
from explain.commands.show import list_pictures
from explain.engine.engine import Engine
from explain.engine.question import DEFAULT_METHODS
from explain.errors import ExplainError
from explain.faithfulness.measured import Measured
from explain.faithfulness.measures import MEASURES
from explain.pictures.decode import decode
from explain.pictures.naming import hide_name
from explain.pictures.picture import Picture
from explain.report.measured import encode_measured, encode_table
from explain.storage import check_folder, read_file


@app.command()
@with_flags(CHECKPOINT)
def measure(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for measures.csv and measures.json.")],
    model: ModelName = FIRST_MODEL,
    layer: Annotated[str, typer.Option(help="Name of a layer, or auto.")] = "auto",
    target: Annotated[str, typer.Option(help="Class index or label, or auto for the likeliest.")] = "auto",
    methods: Annotated[str, typer.Option(help="Names with commas between.")] = ",".join(DEFAULT_METHODS),
    measures: Annotated[str, typer.Option(help="Names of measures with commas between; all where left out.")] = "",
    preset: Annotated[list[str] | None, typer.Option(help="METHOD=PRESET, e.g. cf-cam=published.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="METHOD.SETTING=VALUE, e.g. cf-cam.eps=2.")] = None,
    white: White = None,
    names: NameMode = "auto",
    **checkpoint: Any,
) -> None:
    """Measure how maps compare: insertion, deletion, ROAD, average drop … beside maps of no meaning.

    What cannot be read or measured is named and left out: the exit status is then 1.
    """
    chosen = split_names(methods)
    wanted = split_names(measures) or list(MEASURES)
    settings = read_settings(preset or [], set_ or [])
    out = check_folder(out)
    files = list_pictures(pictures, out)
    engine = Engine()
    request, weights, _ = read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    entries: list[tuple[Picture, Measured]] = []
    left_out: list[str] = []
    for number, file in enumerate(files, 1):
        try:
            picture = decode(read_file(file.path), file.path.name, white=white)
            told = partial(say_progress, before=(number - 1) / len(files), part=1 / len(files))
            measured = engine.measure(picture, loaded, chosen, layer, target, settings, progress=told, measures=wanted)
        except ExplainError as error:
            if file.wanted:
                left_out.append(str(error))
            continue
        entries.append((hide_name(picture, number, names), measured))
        _print_measured(*entries[-1], wanted)
        engine.forget()  # each picture is asked about once
    if not entries:
        raise ExplainError(left_out[0] if len(left_out) == 1 else f"None of the {len(files)} files could be measured.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "measures.csv").write_bytes(encode_table(entries))
    (out / "measures.json").write_bytes(encode_measured(entries))
    print(f"\nComputed on {engine.description}. Written to {out}. Not for diagnostic use.")
    for sentence in left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    if left_out:
        raise typer.Exit(1)


def _print_measured(picture: Picture, measured: Measured, wanted: list[str]) -> None:
    """A table of what fits on a line, and what is said of it."""
    shown = [name for name in wanted if MEASURES[name].in_table]
    print(f"\n{picture.name}: {measured.label} {measured.whole:.3g}")
    print(" " * 20 + "".join(f" {name[:14]:>14}" for name in shown))
    for row in measured.rows:
        figures = ("–" if math.isnan(row.figures[name]) else f"{row.figures[name]:.3f}" for name in shown)
        print(f"  {row.title[:18]:<18}" + "".join(f" {figure:>14}" for figure in figures))
    for sentence in (measured.best.sentence, *measured.notes, *measured.unavailable.values()):
        print(f"  {sentence}")
