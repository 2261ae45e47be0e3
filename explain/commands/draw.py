"""`draw`: what a class or a channel wants to see, in real pictures first and then drawn."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from explain.bundled.caution import caution_of
from explain.bundled.models import FIRST_MODEL
from explain.bundled.pictures import bundled_pictures
from explain.commands.flags import (
    CHECKPOINT,
    DRAWING,
    ModelName,
    NameMode,
    White,
    app,
    encode_json,
    keep_recipe,
    read_model,
    with_flags,
    write_files,
)
from explain.commands.progress_lines import say_progress
from explain.commands.show import list_pictures
from explain.engine.engine import Engine
from explain.engine.wanted import CAUTION, Exemplars
from explain.errors import ExplainError
from explain.maps.render import encode_png
from explain.models.loaded import LoadedModel
from explain.passes.maco import DrawingSettings
from explain.pictures.decode import decode
from explain.pictures.naming import Names, hide_name
from explain.pictures.picture import Picture
from explain.storage import check_folder, read_file

_LOOKING = 0.2  # of the time; the rest is drawing


@app.command()
@with_flags(CHECKPOINT, DRAWING)
def draw(
    out: Annotated[Path, typer.Option(help="Folder for the real places, the drawings and wanted.json.")],
    target: Annotated[str | None, typer.Option(help="Class index or label.")] = None,
    channel: Annotated[int | None, typer.Option(help="A channel of the layer, in place of a class.")] = None,
    layer: Annotated[str, typer.Option(help="Name of a layer, or auto.")] = "auto",
    pictures: Annotated[
        list[Path] | None,
        typer.Option(help="Files or folders to look among; left out, those bundled pictures that the model knows."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=99, help="Real places that are shown.")] = 9,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws another picture.")] = 0,
    model: ModelName = FIRST_MODEL,
    white: White = None,
    names: NameMode = "auto",
    **flags: Any,
) -> None:
    """Show what a class or a channel wants to see: real places first, then a drawing for each of its facets."""
    checkpoint = {flag.name: flags.pop(flag.name) for flag in CHECKPOINT}
    settings = {name: value for name, value in flags.items() if value is not None}
    out = check_folder(out)
    engine = Engine()
    request, weights, _ = read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    given = _read_pictures(pictures, out, white, names) if pictures else _list_known(loaded)
    looking = partial(say_progress, part=_LOOKING)
    found = engine.find_exemplars(given, loaded, target, layer, channel, most, looking)
    _print_exemplars(found)
    starts: list[np.ndarray | None] = [facet.mean for facet in found.facets] or [None]
    drawings = []
    for number, start in enumerate(starts):
        share = (1 - _LOOKING) / len(starts)
        told = partial(say_progress, before=_LOOKING + number * share, part=share)
        drawings.append(engine.draw(loaded, target, layer, channel, start, settings, seed, told))
        count = f", of {found.facets[number].count} pictures" if found.facets else ""
        print(f"drawing {number + 1} of {len(starts)}{count}: {drawings[-1].write_sentence(found.best[0])}")
    files = {f"real-{number}.png": encode_png(one.crop) for number, one in enumerate(found.best, 1)}
    for number, drawing in enumerate(drawings, 1):
        files |= {
            f"drawing-{number}.png": encode_png(drawing.pixels),
            f"worked-{number}.png": encode_png(drawing.worked),
        }
    chosen = DrawingSettings(**settings).model_dump()
    files["wanted.json"] = encode_json(
        {**found.as_data(), "drawings": [one.as_data() for one in drawings], "settings": chosen, "seed": seed}
    )
    write_files(out, files)
    print(f"{CAUTION} Written to {out}. Not for diagnostic use.")


def _list_known(loaded: LoadedModel) -> list[Picture]:
    """The bundled pictures of the kinds that a model knows; all where nobody knows what it learned from."""
    opened = [decode(entry.path.read_bytes(), entry.title) for entry in bundled_pictures()]
    asked = loaded.request
    return [one for one in opened if not caution_of(asked.name, one, asked.source, loaded.labels)] or opened


def _read_pictures(given: list[Path], out: Path, white: int | None, names: Names) -> list[Picture]:
    pictures = []
    for number, file in enumerate(list_pictures(given, out), 1):
        try:
            pictures.append(hide_name(decode(read_file(file.path), file.path.name, white=white), number, names))
        except ExplainError:
            if file.wanted:
                raise
    return pictures


def _print_exemplars(found: Exemplars) -> None:
    """A line for each real place, and of how many sorts they are."""
    print(f"{found.goal.name}, in real pictures:")
    for one in found.best:
        row, column = one.cell
        place = f"row {row + 1}, column {column + 1}"
        print(f"  {one.picture.name[:32]:<32} {place:<18} {one.value:>8.2f}   whole picture {one.answer.describe():>8}")
    print(found.sentence)
