"""`collect`: a whole collection explained, resumed, and how far it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from explain.bundled.models import FIRST_MODEL
from explain.collections.pace import Pace, describe_pace
from explain.collections.question import Order, Thumbnails
from explain.collections.run import collect as run_collection
from explain.collections.status import read_status
from explain.commands.flags import CHECKPOINT, ModelName, NameMode, White, app, read_model, read_settings, with_flags
from explain.commands.progress_lines import say_progress
from explain.engine.question import DEFAULT_METHODS, list_methods
from explain.errors import Cancelled, ExplainError
from explain.passes.look import Score

SOME_FAILED, CANCELLED = 3, 4
"""Exit statuses."""

_SECONDS_BETWEEN_LINES = 2.0
_MOST_LISTED = 10


@app.command()
@with_flags(CHECKPOINT)
def collect(
    source: Annotated[
        list[Path],
        typer.Argument(
            help="A folder, zip, WebDataset tar or Parquet data set, here or at an address such as s3://bucket/photos "
            "(needs requirements-cluster.txt); or: status DIR, how far a run is."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The run's folder; one that was begun there goes on.")] = None,
    model: ModelName = FIRST_MODEL,
    layer: Annotated[str, typer.Option(help="Name of a layer, or auto.")] = "auto",
    target: Annotated[str, typer.Option(help="Class index or label, or auto for each picture's likeliest.")] = "auto",
    methods: Annotated[str, typer.Option(help="Names with commas between.")] = ",".join(DEFAULT_METHODS),
    preset: Annotated[list[str] | None, typer.Option(help="METHOD=PRESET, e.g. cf-cam=published.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="METHOD.SETTING=VALUE, e.g. cf-cam.eps=2.")] = None,
    score: Annotated[Score, typer.Option(help="Differentiate the class's logit or its probability.")] = "logit",
    verdicts: Annotated[bool, typer.Option("--verdicts", help="Also judge each map; takes seconds a picture.")] = False,
    classes: Annotated[
        str, typer.Option(help="Classes and groups: folders, none, or a CSV with file, label and group.")
    ] = "folders",
    regions: Annotated[
        str, typer.Option(help="Of each map, the share inside: a CSV of boxes, COCO's JSON, or parts (drawn birds).")
    ] = "",
    thumbnails: Annotated[
        Thumbnails, typer.Option(help="Keep pictures small: none, photographs (no scans), or all.")
    ] = "none",
    shard: Annotated[int | None, typer.Option(help="Pictures that are written together; 32, on a GPU 256.")] = None,
    limit: Annotated[int | None, typer.Option(help="So many pictures, drawn by --seed.")] = None,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    devices: Annotated[
        str | None,
        typer.Option(help="So many work side by side, or all: GPUs, else cores. Needs requirements-cluster.txt."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster whose devices they are, HOST:PORT, or auto for one that runs."),
    ] = None,
    white: White = None,
    names: NameMode = "auto",
    **checkpoint: Any,
) -> None:
    """Explain a whole collection into Parquet files; the same command goes on with what is not written yet.

    The exit status is 3 where pictures failed, and 4 where the run was stopped: what is written stays.
    """
    if str(source[0]) == "status" and len(source) == 2:
        _print_status(source[1])
        return
    if len(source) != 1 or out is None:
        raise ExplainError("Name one source and --out DIR for the run, or: collect status DIR.")
    request, _, file = read_model(model, **checkpoint)
    order = Order(
        source=source[0],
        out=out,
        model=request,
        model_file=file,
        methods=tuple(list_methods(methods)),
        settings=read_settings(preset or [], set_ or []),
        layer=layer,
        target=target,
        score=score,
        verdicts=verdicts,
        white=white,
        thumbnails=thumbnails,
        names=names,
        classes=classes,
        shard=shard,
        limit=limit,
        seed=seed,
        regions=regions,
        devices=_read_devices(devices),
        address=address,
    )
    try:
        outcome = run_collection(order, ProgressLines().tell)
    except KeyboardInterrupt:
        print("Stopped. What is written stays; the same command goes on from there.", file=sys.stderr)
        raise typer.Exit(CANCELLED) from None
    except Cancelled as error:
        print(error, file=sys.stderr)
        raise typer.Exit(CANCELLED) from None
    for note in outcome.notes:
        print(f"left out: {note}", file=sys.stderr)
    _print_status(out)
    if read_status(out).failed:
        raise typer.Exit(SOME_FAILED)


def _read_devices(text: str | None) -> int | Literal["all"] | None:
    """How many devices are asked for."""
    if text is None or text == "all":
        return text  # type: ignore[return-value]
    if not text.isdecimal() or int(text) < 1:
        raise ExplainError(f"--devices takes a number from 1, or all, not “{text}”.")
    return int(text)


class ProgressLines:
    """Says how far a run is, in a line now and then."""

    def __init__(self) -> None:
        self._said, self._sentence = 0.0, ""

    def tell(self, pace: Pace) -> None:
        """Say it, unless something was said a moment ago."""
        is_news = pace.sentence != self._sentence or (pace.total and pace.done == pace.total)
        if not is_news and time.monotonic() < self._said + _SECONDS_BETWEEN_LINES:
            return
        self._said, self._sentence = time.monotonic(), pace.sentence
        say_progress(pace.share, describe_pace(pace))


def _print_status(folder: Path) -> None:
    """How far a run is, and why pictures failed."""
    status = read_status(folder)
    methods = ", ".join(status.manifest.question.methods)
    print(f"{status.written:,} of {status.total:,} pictures are written: {status.manifest.model.name}, {methods}.")
    for sentence, count in status.failures.most_common(_MOST_LISTED):
        print(f"  failed, {count:,}: {sentence}")
    print(f"{'At work' if status.is_at_work else 'No process works on it'}. {folder}. {status.manifest.note}")
