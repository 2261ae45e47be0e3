"""`inspect`: what a checkpoint says of itself, before anyone is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain.commands.flags import CHECKPOINT, Json, app, keep_recipe, read_model, with_flags, write_files
from explain.engine.engine import Engine
from explain.engine.explanation import Prediction
from explain.models.recipes import encode_recipe
from explain.percent import write_percent
from explain.pictures.decode import decode
from explain.storage import read_file

if TYPE_CHECKING:
    from explain.models.inspection import Inspection


@app.command()
@with_flags(CHECKPOINT)
def inspect(
    file: Annotated[Path, typer.Argument(help="A checkpoint, or a folder with config.json.")],
    as_json: Json = False,
    write: Annotated[Path | None, typer.Option(help="Write what was found as a recipe, a TOML file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Try it on a picture: its five likeliest classes.")] = None,
    **checkpoint: Any,
) -> None:
    """Say what is in a checkpoint: architecture, classes, input and all else, each with the reason."""
    from explain.models.inspection import inspect_file  # which takes torch

    request, weights, _ = read_model(f"file:{str(file).removeprefix('file:')}", **checkpoint)
    assert weights is not None
    found = inspect_file(request, weights)
    likeliest: Sequence[Prediction] = ()
    if found.loaded is not None:
        keep_recipe(found.loaded, **checkpoint)
        if picture is not None:
            engine = Engine()
            shown = decode(read_file(picture), picture.name)
            likeliest = engine.predict(shown, engine.load(found.loaded))
    if as_json:
        print(json.dumps(_as_data(found, likeliest), ensure_ascii=False))
    else:
        _print(found, likeliest)
    if write is not None:
        known = [entry for entry in found.findings if entry.field and entry.value is not None]
        fields = {str(entry.field): entry.value for entry in known if not entry.is_assumed} | found.request.recipe
        assumed = {str(entry.field): entry.value for entry in known if entry.is_assumed}
        write_files(write.parent, {write.name: encode_recipe(fields, assumed)})
        if not as_json:
            print(f"\nWritten to {write}. Give it with --recipe {write}.")


def _print(found: Inspection, likeliest: Sequence[Prediction]) -> None:
    print(found.request.name)
    for entry in found.findings:
        print(f"  {entry.subject:<14} {entry.found}  ({entry.reason.rstrip('.')})")
    others = found.candidates[1:4]
    if others and found.request.architecture != found.candidates[0].architecture:
        print("  otherwise      " + ", ".join(f"{other.architecture} {write_percent(other.share)}" for other in others))
    for note in found.notes:
        print(f"  {note}")
    for answer in likeliest:
        print(f"    {answer.describe(1)}")
    if found.problem:
        print(f"\n{found.problem}")


def _as_data(found: Inspection, likeliest: Sequence[Prediction]) -> dict[str, Any]:
    return {
        "name": found.request.name,
        "digest": found.request.digest,
        "request": found.request.model_dump(mode="json"),
        "candidates": [
            {"architecture": entry.architecture, "share": entry.share, "alike": entry.alike}
            for entry in found.candidates
        ],
        "findings": [
            {
                "subject": entry.subject,
                "found": entry.found,
                "reason": entry.reason,
                "field": entry.field,
                "value": entry.value,
                "is_assumed": entry.is_assumed,
            }
            for entry in found.findings
        ],
        "notes": found.notes,
        "problem": found.problem,
        "likeliest": [
            {"label": answer.label, "probability": answer.probability, "score": answer.score} for answer in likeliest
        ],
    }
