"""`train-prompts`, `traits`, `gallery` and `surgery`: class prompts and what they look for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.bundled.models import FIRST_VIT
from explain.commands.flags import (
    CHECKPOINT,
    RECIPE,
    Classes,
    Json,
    NameMode,
    PromptedModel,
    Top,
    app,
    encode_json,
    keep_recipe,
    read_model,
    read_numbers,
    with_flags,
    write_files,
)
from explain.commands.progress_lines import say_progress
from explain.commands.training_flags import load_to_train, say_left_out
from explain.datasets.groups import TABLE, group_as_told, keep_together, read_table
from explain.datasets.reading import read_folder, read_zip
from explain.engine.engine import Engine
from explain.engine.question import find_target
from explain.errors import ExplainError, PictureError
from explain.maps.render import encode_png
from explain.models.judged import say_limits
from explain.percent import write_percent
from explain.pictures.decode import decode
from explain.pictures.naming import hide_name
from explain.pictures.painting import Paint, paint_over, swap_region
from explain.pictures.picture import Picture
from explain.storage import check_folder, expand_home, read_file
from explain.training.outcome import Epoch, Preparing, Report
from explain.training.recipe import change_recipe, choose_recipe
from explain.training.saving import train_and_save
from explain.traits.gallery import collect_gallery, list_class_files
from explain.traits.surgery import answer_surgery
from explain.traits.traits import compare_classes, encode_figure, encode_maps, look_with_eyes_of

_MOST_WRONG_LISTED = 20


@app.command()
@with_flags(CHECKPOINT, RECIPE)
def train_prompts(
    pictures: Annotated[
        Path, typer.Argument(help="A folder or zip of class/picture, or of train/class/picture and val/class/picture.")
    ],
    out: Annotated[str, typer.Option(help="Name for the prompts; --model prompts:NAME then uses them.")],
    backbone: Annotated[
        str, typer.Option(help=f"A ViT: {FIRST_VIT}, the name of a timm model, or file:PATH.")
    ] = FIRST_VIT,
    groups: Annotated[
        Path | None,
        typer.Option(help="A CSV of picture names and what each belongs to, such as its patient; never parted."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the same training where it was stopped.")
    ] = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Train class prompts (Prompt-CAM) on a frozen ViT. Settings left out follow from the size of the set."""
    from pydantic import TypeAdapter

    def report_reading(share: float, text: str) -> None:
        print(f"\r{text}", end="", file=sys.stderr)

    if pictures.is_dir():
        dataset = read_folder(pictures, report_reading)
    else:
        dataset = read_zip(read_file(pictures), pictures.name, report_reading)
    print(file=sys.stderr)
    together = flags.get("together") or ""
    if groups is not None:
        if together not in ("", TABLE):
            raise ExplainError("--groups and --together both say what belongs together. Leave one of them out.")
        dataset = keep_together(dataset, read_table(read_file(groups), groups.name))
        flags["together"] = TABLE
    elif together == TABLE:
        raise ExplainError("--together table needs the table: give it by --groups FILE.csv.")
    else:
        dataset = group_as_told(dataset, together)
    say_left_out(dataset)
    loaded, weights, given = load_to_train(backbone, flags)
    recipe = change_recipe(choose_recipe(dataset, loaded), given)

    def tell(said: Epoch | Preparing | str, share: float | None) -> None:
        if isinstance(said, Epoch):
            print(f"epoch {said.number}/{recipe.epochs}: {_describe_epoch(said)}", file=sys.stderr)
        elif isinstance(said, Preparing):
            print(said.text, end="\r", file=sys.stderr)
        elif said not in told:
            told.add(said)
            print(said, file=sys.stderr)

    told: set[str] = set()
    name, report = train_and_save(out, loaded, dataset, recipe, weights, resume, tell)
    if as_json:
        words = [report.judged.describe(), *report.judged.list_notes()]
        print(json.dumps({"name": name, "in words": words, **TypeAdapter(Report).dump_python(report, mode="json")}))
    else:
        _print_report(report, dataset.labels)
        print(f"\nSaved as {name}. Use it by --model prompts:{name}.")


def _print_report(report: Report, labels: tuple[str, ...]) -> None:
    """What is known of how good it is: of each class, what it is taken for instead, and which pictures are wrong."""
    width = max(map(len, labels))
    print(f"\n{'class':<{width}}  right of     95 % interval   most often taken for")
    for index, label in enumerate(labels):
        row = report.confusion[index]
        others = sorted((-count, labels[other]) for other, count in enumerate(row) if count and other != index)
        taken = ", ".join(f"{name} ({-count})" for count, name in others[:3])
        interval = say_limits(row[index], sum(row))
        print(f"{label:<{width}}  {row[index]:>5} of {sum(row):<5}  {interval:>13}  {taken}".rstrip())
    for entry in report.wrong[:_MOST_WRONG_LISTED]:
        sure = write_percent(entry.probability)
        print(f"  {entry.name}: {labels[entry.label]}, taken for {labels[entry.predicted]} ({sure})")
    if len(report.wrong) > _MOST_WRONG_LISTED:
        print(f"  and {len(report.wrong) - _MOST_WRONG_LISTED} more")
    early = ", ended early" if report.stopped_early else ""
    said = report.judged.describe()
    print(f"\n{said[:1].upper()}{said[1:]}. {' '.join(report.judged.list_notes())}")
    print(
        f"Kept are the prompts of epoch {report.best_epoch} of {len(report.epochs)}{early}, learnt from "
        f"{report.pictures} pictures. {report.seconds:.0f} s."
    )


def _describe_epoch(epoch: Epoch) -> str:
    """Its losses, and what it names rightly of the pictures that choose the epoch."""
    said = f"loss {epoch.loss:.3f}, {epoch.accuracy:.1f} % right"
    if epoch.val_accuracy is not None:
        said += f"; choosing: loss {epoch.val_loss:.3f}, {epoch.val_accuracy:.1f} % right"
    return f"{said}; {epoch.pictures_per_second:,.0f} pictures/s"


@app.command()
@with_flags(CHECKPOINT)
def traits(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    out: Annotated[Path, typer.Option(help="Folder for figure.png, traits.json and maps.npz.")],
    model: PromptedModel = FIRST_VIT,
    class_: Classes = ["auto"],  # noqa: B006 - Typer copies it
    top: Top = 4,
    names: NameMode = "auto",
    **checkpoint: Any,
) -> None:
    """Look at a picture through the eyes of classes: the most important heads of each class's prompt."""
    out = check_folder(out)
    request, weights, _ = read_model(model, **checkpoint)
    decoded = hide_name(decode(read_file(picture), picture.name), 1, names)
    engine = Engine()
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    view = look_with_eyes_of(engine, decoded, loaded, class_, top)
    files = {"figure.png": encode_figure(decoded, view), "maps.npz": encode_maps(view)}
    write_files(out, {**files, "traits.json": encode_json(view.as_data())})
    print(", ".join(p.describe(1) for p in view.predictions[:5]))
    for seen in view.classes:
        before, after = write_percent(seen.probability, 1), write_percent(seen.without_traits, 1)
        print(f"\n{seen.label}: {before}, without these heads {after}")
        for trait in seen.traits:
            print(f"  {trait.rank}. head {trait.head + 1}: without it {write_percent(trait.blurred_probability, 1)}")
    for other in view.classes[1:]:
        own = compare_classes(view.classes[0], other).own
        heads = ", ".join(str(trait.head + 1) for trait in own) or "none"
        print(f"\nHeads of {view.classes[0].label} that no shown head of {other.label} is like: {heads}")
    print(f"\nWritten to {out}. Not for diagnostic use.")


@app.command()
@with_flags(CHECKPOINT)
def gallery(
    pictures: Annotated[Path, typer.Argument(help="A folder of pictures of the class, or with a folder named as it.")],
    out: Annotated[Path, typer.Option(help="Folder for gallery.png and gallery.zip.")],
    class_: Annotated[str, typer.Option("--class", help="Class index or label.")],
    model: PromptedModel = FIRST_VIT,
    top: Top = 4,
    crops: Annotated[int, typer.Option(min=1, help="How many pictures each head shows.")] = 6,
    names: NameMode = "auto",
    **checkpoint: Any,
) -> None:
    """Make a class's field guide: where each head of its prompt looks most, over many pictures."""
    out = check_folder(out)
    request, weights, _ = read_model(model, **checkpoint)
    engine = Engine()
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    target = find_target(loaded, class_)
    files = list_class_files(expand_home(pictures), loaded.labels[target])

    def read() -> Iterator[Picture]:
        for number, path in enumerate(files, start=1):
            try:
                yield hide_name(decode(read_file(path, PictureError), path.name), number, names)
            except PictureError as error:
                print(f"left out: {error}", file=sys.stderr)

    found = collect_gallery(engine, read(), loaded, target, top, crops, say_progress, total=len(files))
    write_files(out, {"gallery.png": found.to_png(), "gallery.zip": found.to_zip()})
    print(f"{found.label}: {found.pictures} pictures, {found.right} of them predicted right")
    for rank, trait in enumerate(found.traits, start=1):
        print(f"  {rank}. head {trait.head + 1}, mean rank {trait.mean_rank:.1f} of {found.heads}")
    print(f"\nWritten to {out}. Not for diagnostic use.")


@app.command()
@with_flags(CHECKPOINT)
def surgery(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    out: Annotated[Path, typer.Option(help="Folder for altered.png, before.png, after.png and surgery.json.")],
    box: Annotated[str | None, typer.Option(help="The region: left,top,right,bottom in pixels.")] = None,
    outline: Annotated[str | None, typer.Option(help="Or its corners: x,y,x,y,x,y… in pixels.")] = None,
    paint: Annotated[Paint, typer.Option(help="What the region is painted over with.")] = "surroundings",
    swap: Annotated[Path | None, typer.Option(help="Instead, put a part of this picture in its place.")] = None,
    place: Annotated[str | None, typer.Option(help="For --swap: left,top,right,bottom of that part.")] = None,
    feather: Annotated[float, typer.Option(min=0, help="For --swap: pixels of soft edge.")] = 0.0,
    model: PromptedModel = FIRST_VIT,
    class_: Classes = ["auto"],  # noqa: B006 - Typer copies it
    top: Top = 4,
    names: NameMode = "auto",
    **checkpoint: Any,
) -> None:
    """Paint over or swap a region of a picture and see what the classes make of it."""
    if (box is None) == (outline is None):
        raise ExplainError("Say which region: --box left,top,right,bottom or --outline x,y,x,y,x,y.")
    corners = read_numbers("--outline", outline) or ()
    if len(corners) % 2:
        raise ExplainError(f"--outline takes pairs of numbers, x,y,x,y,x,y, but {outline} has {len(corners)} numbers.")
    region: Any = read_numbers("--box", box) or list(zip(corners[::2], corners[1::2], strict=True))
    out = check_folder(out)
    request, weights, _ = read_model(model, **checkpoint)
    before = hide_name(decode(read_file(picture), picture.name), 1, names)
    if swap is not None:
        part: Any = read_numbers("--place", place)
        after = swap_region(before, region, decode(read_file(swap), swap.name), part, feather)
    else:
        after = paint_over(before, region, paint)
    engine = Engine()
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    answer = answer_surgery(engine, before, after, loaded, class_, top)
    files = {"altered.png": encode_png(after.pixels), "surgery.json": encode_json(answer.as_data())}
    figures = {"before.png": encode_figure(before, answer.before), "after.png": encode_figure(after, answer.after)}
    write_files(out, files | figures)
    print(after.notes[-1])
    for moment, view in (("before", answer.before), ("after", answer.after)):
        print(f"{moment}: " + ", ".join(p.describe(1) for p in view.predictions[:5]))
    for one, other in zip(answer.before.classes, answer.after.classes, strict=True):
        shares = " → ".join(write_percent(moment.probability, 1) for moment in (one, other))
        print(f"{one.label}: score {one.score:.2f} → {other.score:.2f}, {shares}")
    print(f"\nWritten to {out}. Not for diagnostic use.")
