"""`show` and `replay`: maps of pictures, and the same again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.bundled.models import FIRST_MODEL, find_prompted_twin
from explain.commands.flags import (
    CHECKPOINT,
    ModelName,
    White,
    app,
    keep_recipe,
    read_model,
    read_settings,
    read_view,
    with_flags,
)
from explain.engine.engine import Engine
from explain.engine.question import DEFAULT_METHODS
from explain.maps.fusion import Fusion
from explain.methods import get_method
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.decode import decode
from explain.report.export import save
from explain.report.replay import replay_manifest
from explain.storage import read_file


@app.command()
@with_flags(CHECKPOINT)
def show(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays, figure.png, maps.npz and manifest.json.")],
    model: ModelName = FIRST_MODEL,
    layer: Annotated[list[str], typer.Option(help="Name of a layer, or auto; may be given several times.")] = ["auto"],  # noqa: B006 - Typer copies it
    target: Annotated[
        list[str], typer.Option(help="Class index or label, or auto for the likeliest; may be given several times.")
    ] = ["auto"],  # noqa: B006 - Typer copies it
    methods: Annotated[str, typer.Option(help="Names with commas between.")] = ",".join(DEFAULT_METHODS),
    preset: Annotated[list[str] | None, typer.Option(help="METHOD=PRESET, e.g. cf-cam=published.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="METHOD.SETTING=VALUE, e.g. cf-cam.eps=2.")] = None,
    score: Annotated[Score, typer.Option(help="Differentiate the class's logit or its probability.")] = "logit",
    fusion: Annotated[Fusion, typer.Option(help="Make one map of those of several layers.")] = "none",
    augmentation: Annotated[Augmentation, typer.Option(help="Average over changed views of the picture.")] = "none",
    white: White = None,
    view: Annotated[list[str] | None, typer.Option(help="View SETTING=VALUE, e.g. opacity=0.7, scale=shared.")] = None,
    **checkpoint: Any,
) -> None:
    """Explain pictures and write overlays, raw maps and a manifest that replays."""
    names = [name.strip() for name in methods.split(",") if name.strip()]
    settings = read_settings(preset or [], set_ or [])
    chosen_view = read_view(view or [])
    engine = Engine()
    request, weights, file = read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    for note in loaded.notes:
        print(f"{request.name}: {note}")
    decoded = [decode(read_file(path), path.name, white) for path in pictures]
    explanation = engine.explain(
        decoded,
        loaded,
        names,
        layer=layer,
        target=target,
        settings=settings,
        score=score,
        fusion=fusion,
        augmentation=augmentation,
        progress=lambda share, text: print(f"[{share:4.0%}] {text}", file=sys.stderr),
    )
    files = {picture.digest: path for picture, path in zip(decoded, pictures, strict=True)}
    save(explanation, out, chosen_view, files, file)
    for entry in explanation.pictures:
        print(f"\n{entry.picture.name}: " + ", ".join(f"{p.label} {p.probability:.1%}" for p in entry.predictions))
        for note in entry.picture.notes:
            print(f"  {note}")
        print(f"  explained: {', '.join(entry.labels)}, layer {', '.join(entry.layers)}")
        for heatmap in entry.maps:
            low, high = heatmap.range
            title = get_method(heatmap.method).title
            if len(entry.layers) * len(entry.targets) > 1:
                title += f", {heatmap.layer}, {heatmap.label}"
            print(f"  {title:<12} {low:.3g} … {high:.3g}, {heatmap.seconds * 1000:.1f} ms", *heatmap.warnings, sep="  ")
        for name, reason in entry.unavailable.items():
            print(f"  {get_method(name).title:<12} not available: {reason} {_suggest_prompted(loaded.labels)}")
    print(f"\nComputed on {explanation.device}. Written to {out}. Not for diagnostic use.")


@app.command()
def replay(
    manifest: Annotated[Path, typer.Argument(help="A manifest.json that CAMscope wrote.")],
    pictures: Annotated[
        list[Path] | None, typer.Option(help="Where to look for the pictures: files or folders; found by digest.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="The checkpoint, where the manifest cannot say.")] = None,
    maps: Annotated[Path | None, typer.Option(help="The NPZ to compare with; maps.npz beside the manifest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the replayed explanation into this folder.")] = None,
) -> None:
    """Make the maps of a manifest again and compare them bit for bit."""
    report = replay_manifest(manifest, pictures or [], weights, maps)
    for line in report.lines:
        print(line)
    if out is not None:
        for index, explanation in enumerate(report.explanations):
            save(explanation, out / f"{index + 1:02d}")
    if not report.reproduced:
        raise typer.Exit(1)


def _suggest_prompted(labels: tuple[str, ...]) -> str:
    """A bundled model with prompts that knows the same classes, in a sentence; else nothing."""
    twin = find_prompted_twin(labels)
    return f"Try --model {twin}, which knows the same classes." if twin else ""
