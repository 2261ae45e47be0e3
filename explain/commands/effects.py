"""`effects`: what becomes of an answer without parts of the picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from explain.bundled.models import FIRST_MODEL
from explain.bundled.pictures import find_bundled, read_parts
from explain.commands.channels import Within, print_channels
from explain.commands.expectation import compare_with_expected, print_agreement
from explain.commands.flags import (
    CHECKPOINT,
    Json,
    ModelName,
    White,
    app,
    keep_recipe,
    read_mask,
    read_model,
    read_numbers,
    with_flags,
)
from explain.commands.progress_lines import say_progress
from explain.engine.engine import Engine
from explain.errors import ExplainError, PictureError
from explain.faithfulness.effects import Effects
from explain.faithfulness.holes import cut_grid
from explain.maps.mask import MaskSettings
from explain.models.loaded import LoadedModel
from explain.percent import write_decimals, write_percent
from explain.pictures.decode import decode
from explain.pictures.geometry import find_box
from explain.pictures.painting import paint_over
from explain.pictures.picture import Picture
from explain.pictures.region import Region, join_regions
from explain.report.masks import find_shown_mask
from explain.storage import read_file

_LONGEST_NAME = 24


@app.command()
@with_flags(CHECKPOINT)
def effects(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    region: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LEFT,TOP,RIGHT,BOTTOM in pixels, or the corners x,y,x,y,x,y … of an outline; several."),
    ] = None,
    grid: Annotated[int | None, typer.Option(help="The cells of a grid of 2 to 4 rows and columns.")] = None,
    parts: Annotated[bool, typer.Option("--parts", help="The parts of a bundled drawn bird.")] = False,
    map_: Annotated[str | None, typer.Option("--map", help="Where the map of this method is high.")] = None,
    above: Annotated[float, typer.Option(help="With --map: from which share of the map's highest value on.")] = 0.5,
    mask: Annotated[
        list[str] | None, typer.Option(help="With --map: SETTING=VALUE of the mask, e.g. pieces=largest; several.")
    ] = None,
    by_channel: Annotated[
        bool, typer.Option("--by-channel", help="What each channel of a layer does; regions painted over make a twin.")
    ] = False,
    layer: Annotated[str, typer.Option(help="With --by-channel: name of a layer, or auto.")] = "auto",
    paths_from: Annotated[
        str | None, typer.Option(help="With --by-channel: also paths to the layer from this earlier one.")
    ] = None,
    twin: Annotated[
        Path | None, typer.Option(help="With --by-channel: a picture whose values channels are set to.")
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="With --by-channel: pictures whose mean is taken; several.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(help="A CSV of classes × regions with + or -: which do otherwise; or traits, of drawn birds."),
    ] = None,
    model: ModelName = FIRST_MODEL,
    target: Annotated[str, typer.Option(help="Class index or label, or auto for the likeliest.")] = "auto",
    white: White = None,
    as_json: Json = False,
    **checkpoint: Any,
) -> None:
    """Say what happens without regions: removed, alone, and their Shapley shares, beside other places.

    With --by-channel, what happens without channels of a layer, beside what Grad-CAM's weights say of them.
    """
    opened = decode(read_file(picture), picture.name, white=white)
    engine = Engine()
    request, weights, _ = read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    regions: dict[str, Region] = dict(_read_region(text) for text in region or [])
    if grid is not None:
        regions |= cut_grid(opened.size, find_box(opened.size, loaded.preprocessing), grid)
    if parts:
        regions |= _find_parts(opened)
    if map_ is not None:
        regions |= _find_high(engine, opened, loaded, target, map_, read_mask([f"share={above}", *(mask or [])]))
    if by_channel:
        others = [decode(read_file(path), path.name, white=white) for path in beside or []]
        within = Within(layer, paths_from, target, _find_twin(opened, twin, regions, white), others)
        print_channels(engine, opened, loaded, within, as_json)
        return
    if layer != "auto" or paths_from or twin or beside:
        raise ExplainError("--layer, --paths-from, --twin and --beside are about channels: say --by-channel too.")
    if not regions:
        raise ExplainError("Say what is taken away: --region NAME=LEFT,TOP,RIGHT,BOTTOM, --grid 2, --parts or --map.")
    measured = engine.measure_effects(opened, loaded, regions, target, progress=say_progress)
    found = None if expect is None else compare_with_expected(engine, opened, loaded, measured, (regions, expect))
    if as_json:
        data = measured.as_data()
        if found is not None:
            data |= {"expected": found[0].as_data(), "layers": [look.as_data() for look in found[1]]}
        print(json.dumps(data, indent=1, ensure_ascii=False))
        return
    _print_effects(measured)
    if found is not None:
        print_agreement(*found)
    print("Not for diagnostic use.")


def _find_twin(picture: Picture, file: Path | None, regions: dict[str, Region], white: int | None) -> Picture | None:
    """The other picture: a file, or this one with regions painted over; None where neither is given."""
    if file is not None and regions:
        raise ExplainError("Give the other picture by --twin, or regions that are painted over in this one: not both.")
    if file is not None:
        return decode(read_file(file), file.name, white=white)
    return paint_over(picture, join_regions(regions.values(), picture.size)) if regions else None


def _read_region(text: str) -> tuple[str, Region]:
    name, equals, numbers = text.rpartition("=")
    values = read_numbers("--region", numbers)
    assert values is not None
    if len(values) == 4:
        corners: Region = values
    elif len(values) >= 6 and len(values) % 2 == 0:
        corners = [*zip(values[::2], values[1::2], strict=True)]
    else:
        raise ExplainError(f"--region takes NAME=LEFT,TOP,RIGHT,BOTTOM, or x,y of three corners or more, not “{text}”.")
    return name if equals else numbers, corners


def _find_parts(picture: Picture) -> dict[str, Region]:
    entry = find_bundled(picture.digest)
    found: dict[str, Region] = (
        {} if entry is None else {name: mask for name, mask in read_parts(entry).items() if mask.any()}
    )
    if not found:
        raise PictureError(
            f"{picture.name} is no bundled drawn bird, so its parts are not known. Name places with --region."
        )
    return found


def _find_high(
    engine: Engine, picture: Picture, loaded: LoadedModel, target: str, method: str, settings: MaskSettings
) -> dict[str, Region]:
    entry = engine.explain(picture, loaded, [method], target=target).pictures[0]
    if not entry.maps:
        raise ExplainError(next(iter(entry.unavailable.values())))
    heatmap = entry.maps[0]
    mask = find_shown_mask(picture, heatmap, settings)
    return {f"where {method} is high": mask.enlarge()}


def _print_effects(measured: Effects) -> None:
    """A table of how far the score falls, in logits, and what is said of it."""
    whole = measured.whole
    probability = "" if whole.probability is None else f" · {write_percent(whole.probability, 1)}"
    print(f"{whole.label}: {whole.score:.3f}{probability}")
    print(
        f"{'without':<{_LONGEST_NAME}} {'score falls by':>22} {'elsewhere':>16} {'alone':>7} {'share':>7} {'prob.':>8}"
    )
    for effect in measured.regions:
        score = effect.score
        by_fill = f"{write_decimals(score.removal.mean(), 2)} ({_write_range(score.removal)})"
        elsewhere = _write_range(score.places) if len(score.places) else "–"
        alone = write_decimals(score.alone.mean(), 2)
        share = "–" if score.share is None else write_decimals(score.share.mean(), 2)
        falls = "–" if effect.probability is None else f"{write_decimals(100 * effect.probability.removal.mean(), 1)} %"
        print(
            f"{effect.name[:_LONGEST_NAME]:<{_LONGEST_NAME}} {by_fill:>22} {elsewhere:>16} {alone:>7} "
            f"{share:>7} {falls:>8}{' *' if score.stands_out else ''}"
        )
    print("* at none of the other places does a hole of its shape do as much, however it is filled")
    for sentence in (measured.sentence, *measured.notes):
        print(sentence)


def _write_range(values: np.ndarray) -> str:
    return f"{write_decimals(values.min(), 2)}…{write_decimals(values.max(), 2)}"
