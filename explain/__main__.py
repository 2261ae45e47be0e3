"""The command line: `python -m explain show|replay|train-prompts|traits|gallery|surgery|models|layers|methods`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.augmentation import Augmentation
from explain.capture import Score
from explain.errors import ExplainError
from explain.files import read_file
from explain.fusion import Fusion
from explain.prompt_training import PromptRecipe
from explain.surgery import Paint

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shows where an image model looks. Not for diagnostic use.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ModelName = Annotated[
    str, typer.Option("--model", help="photo-cnn, the name of a timm model, prompts:NAME, or file:PATH with --arch.")
]
PromptedModel = Annotated[
    str, typer.Option("--model", help="One with class prompts: photo-vit, prompts:NAME, or file:PATH with --arch.")
]
Classes = Annotated[
    list[str],
    typer.Option("--class", help="Class index or label, or auto for the likeliest; may be given several times."),
]
Top = Annotated[int, typer.Option(min=1, help="How many of a class's most important heads are shown.")]
_MOST_WRONG_LISTED = 20


def _declare_flag(name: str, kind: Any, help: str, *names: str) -> inspect.Parameter:
    """A flag that may be left out."""
    annotation = Annotated[kind | None, typer.Option(*names, help=help)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_CHECKPOINT = (
    _declare_flag("arch", str, "For file:PATH: timm/NAME or torchvision/NAME, e.g. torchvision/resnet18.", "--arch"),
    _declare_flag("labels", str, "For file:PATH: imagenet, cifar10, or a text file with one label a line."),
    _declare_flag("input_size", int, "For file:PATH: side of the model's input in pixels."),
    _declare_flag("mean", str, "For file:PATH: mean of each channel in 0…1, e.g. 0.5,0.5,0.5."),
    _declare_flag("std", str, "For file:PATH: standard deviation of each channel, e.g. 0.5,0.5,0.5."),
    _declare_flag("channels", int, "For file:PATH: 3 for colour, 1 for grey."),
)
"""What a checkpoint cannot say of itself; the arguments of `_read_model`."""

_RECIPE = tuple(
    _declare_flag(name, info.annotation, f"{info.title}. {info.description}")
    for name, info in PromptRecipe.model_fields.items()
)


def _with_flags(*groups: Sequence[inspect.Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these flags in place of its `**` argument, which gets their values."""

    def change(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*named, *(flag for group in groups for flag in group)]
        )
        return command

    return change


@app.command()
@_with_flags(_CHECKPOINT)
def show(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays, figure.png, maps.npz and manifest.json.")],
    model: ModelName = "photo-cnn",
    layer: Annotated[list[str], typer.Option(help="Name of a layer, or auto; may be given several times.")] = ["auto"],  # noqa: B006 - Typer copies it
    target: Annotated[
        list[str], typer.Option(help="Class index or label, or auto for the likeliest; may be given several times.")
    ] = ["auto"],  # noqa: B006 - Typer copies it
    methods: Annotated[str, typer.Option(help="Names with commas between.")] = "grad-cam,eigen-cam,cf-cam,prompt-cam",
    preset: Annotated[list[str] | None, typer.Option(help="METHOD=PRESET, e.g. cf-cam=published.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="METHOD.SETTING=VALUE, e.g. cf-cam.eps=2.")] = None,
    score: Annotated[Score, typer.Option(help="Differentiate the class's logit or its probability.")] = "logit",
    fusion: Annotated[Fusion, typer.Option(help="Make one map of those of several layers.")] = "none",
    augmentation: Annotated[Augmentation, typer.Option(help="Average over changed views of the picture.")] = "none",
    view: Annotated[list[str] | None, typer.Option(help="View SETTING=VALUE, e.g. opacity=0.7, scale=shared.")] = None,
    **checkpoint: Any,
) -> None:
    """Explain pictures and write overlays, raw maps and a manifest that replays."""
    from explain.engine import Engine
    from explain.export import save
    from explain.methods import get_method
    from explain.picture import decode

    names = [name.strip() for name in methods.split(",") if name.strip()]
    settings = _read_settings(preset or [], set_ or [])
    chosen_view = _read_view(view or [])
    engine = Engine()
    request, weights, file = _read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    for note in loaded.notes:
        print(f"{request.name}: {note}")
    decoded = [decode(read_file(path), path.name) for path in pictures]
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
    from explain.replay import replay_manifest

    report = replay_manifest(manifest, pictures or [], weights, maps)
    for line in report.lines:
        print(line)
    if out is not None:
        from explain.export import save

        for index, explanation in enumerate(report.explanations):
            save(explanation, out / f"{index + 1:02d}")
    if not report.reproduced:
        raise typer.Exit(1)


@app.command()
@_with_flags(_CHECKPOINT, _RECIPE)
def train_prompts(
    pictures: Annotated[
        Path, typer.Argument(help="A folder or zip of class/picture, or of train/class/picture and val/class/picture.")
    ],
    out: Annotated[str, typer.Option(help="Name for the prompts; --model prompts:NAME then uses them.")],
    backbone: Annotated[
        str, typer.Option(help="A ViT: photo-vit, the name of a timm model, or file:PATH with --arch.")
    ] = "photo-vit",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the same training where it was stopped.")
    ] = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Train class prompts (Prompt-CAM) on a frozen ViT. Settings left out follow from the size of the set."""
    from pydantic import TypeAdapter

    from explain.dataset import read_folder, read_zip
    from explain.engine import Engine
    from explain.prompt_training import Epoch, Report, change_recipe, choose_recipe
    from explain.training_run import train_and_save

    def report_reading(share: float, text: str) -> None:
        print(f"\r{text}", end="", file=sys.stderr)

    if pictures.is_dir():
        dataset = read_folder(pictures, report_reading)
    else:
        dataset = read_zip(read_file(pictures), pictures.name, report_reading)
    print(file=sys.stderr)
    for skipped in dataset.skipped:
        print(f"left out: {skipped.name}: {skipped.reason}", file=sys.stderr)
    request, weights, _ = _read_model(backbone, **{flag.name: flags.pop(flag.name) for flag in _CHECKPOINT})
    loaded = Engine().load(request, weights)
    given = {name: value for name, value in flags.items() if value is not None}
    recipe = change_recipe(choose_recipe(dataset, loaded), given)

    def tell(said: Epoch | str, share: float | None) -> None:
        if isinstance(said, str):
            print(said, end="\r" if share is None else "\n", file=sys.stderr)
            return
        print(
            f"epoch {said.number}/{recipe.epochs}: loss {said.loss:.3f}, {said.accuracy:.1f} % right; validation loss "
            f"{said.val_loss:.3f}, {said.val_accuracy:.1f} % right; {said.pictures_per_second:,.0f} pictures/s",
            file=sys.stderr,
        )

    name, report = train_and_save(out, loaded, dataset, recipe, weights, resume, tell)
    if as_json:
        print(json.dumps({"name": name, **TypeAdapter(Report).dump_python(report, mode="json")}))
    else:
        _print_report(report, dataset.labels)
        print(f"\nSaved as {name}. Use it by --model prompts:{name}.")


def _print_report(report: Any, labels: tuple[str, ...]) -> None:
    """The accuracy of each class, what it is taken for instead, and the pictures that are wrong."""
    width = max(map(len, labels))
    print(f"\n{'class':<{width}}  pictures  right    most often taken for")
    for index, label in enumerate(labels):
        row = report.confusion[index]
        others = sorted((-count, labels[other]) for other, count in enumerate(row) if count and other != index)
        taken = ", ".join(f"{name} ({-count})" for count, name in others[:3])
        print(f"{label:<{width}}  {sum(row):>8}  {report.class_accuracy[index]:>5.1f} %  {taken}".rstrip())
    for entry in report.wrong[:_MOST_WRONG_LISTED]:
        print(f"  {entry.name}: {labels[entry.label]}, taken for {labels[entry.predicted]} ({entry.probability:.0%})")
    if len(report.wrong) > _MOST_WRONG_LISTED:
        print(f"  and {len(report.wrong) - _MOST_WRONG_LISTED} more")
    early = ", ended early" if report.stopped_early else ""
    print(
        f"\n{report.accuracy:.1f} % right on the validation pictures, after epoch {report.best_epoch} of "
        f"{len(report.epochs)}{early}. {report.pictures} pictures, {report.seconds:.0f} s."
    )


@app.command()
@_with_flags(_CHECKPOINT)
def traits(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    out: Annotated[Path, typer.Option(help="Folder for figure.png, traits.json and maps.npz.")],
    model: PromptedModel = "photo-vit",
    class_: Classes = ["auto"],  # noqa: B006 - Typer copies it
    top: Top = 4,
    **checkpoint: Any,
) -> None:
    """Look at a picture through the eyes of classes: the most important heads of each class's prompt."""
    from explain.engine import Engine
    from explain.picture import decode
    from explain.traits import compare_classes, encode_figure, encode_maps, look_with_eyes_of

    request, weights, _ = _read_model(model, **checkpoint)
    decoded = decode(read_file(picture), picture.name)
    engine = Engine()
    view = look_with_eyes_of(engine, decoded, engine.load(request, weights), class_, top)
    files = {"figure.png": encode_figure(decoded, view), "maps.npz": encode_maps(view)}
    _write_files(out, {**files, "traits.json": _encode_json(view.as_data())})
    print(", ".join(f"{p.label} {p.probability:.1%}" for p in view.predictions[:5]))
    for seen in view.classes:
        print(f"\n{seen.label}: {seen.probability:.1%}, without these heads {seen.without_traits:.1%}")
        for trait in seen.traits:
            print(f"  {trait.rank}. head {trait.head + 1}: without it {trait.blurred_probability:.1%}")
    for other in view.classes[1:]:
        own = compare_classes(view.classes[0], other).own
        heads = ", ".join(str(trait.head + 1) for trait in own) or "none"
        print(f"\nHeads of {view.classes[0].label} that no shown head of {other.label} is like: {heads}")
    print(f"\nWritten to {out}. Not for diagnostic use.")


@app.command()
@_with_flags(_CHECKPOINT)
def gallery(
    pictures: Annotated[Path, typer.Argument(help="A folder of pictures of the class, or with a folder named as it.")],
    out: Annotated[Path, typer.Option(help="Folder for gallery.png and gallery.zip.")],
    class_: Annotated[str, typer.Option("--class", help="Class index or label.")],
    model: PromptedModel = "photo-vit",
    top: Top = 4,
    crops: Annotated[int, typer.Option(min=1, help="How many pictures each head shows.")] = 6,
    **checkpoint: Any,
) -> None:
    """Make a class's field guide: where each head of its prompt looks most, over many pictures."""
    from explain.engine import Engine, find_target
    from explain.errors import PictureError
    from explain.gallery import collect_gallery, list_class_files
    from explain.picture import Picture, decode

    request, weights, _ = _read_model(model, **checkpoint)
    engine = Engine()
    loaded = engine.load(request, weights)
    target = find_target(loaded, class_)
    files = list_class_files(pictures, loaded.labels[target])

    def read() -> Iterator[Picture]:
        for path in files:
            try:
                yield decode(read_file(path), path.name)
            except PictureError as error:
                print(f"left out: {error}", file=sys.stderr)

    def tell(share: float, text: str) -> None:
        print(f"[{share:4.0%}] {text}", file=sys.stderr)

    found = collect_gallery(engine, read(), loaded, target, top, crops, tell, total=len(files))
    _write_files(out, {"gallery.png": found.to_png(), "gallery.zip": found.to_zip()})
    print(f"{found.label}: {found.pictures} pictures, {found.right} of them predicted right")
    for rank, trait in enumerate(found.traits, start=1):
        print(f"  {rank}. head {trait.head + 1}, on average number {trait.mean_rank:.1f} of {found.heads}")
    print(f"\nWritten to {out}. Not for diagnostic use.")


@app.command()
@_with_flags(_CHECKPOINT)
def surgery(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    out: Annotated[Path, typer.Option(help="Folder for altered.png, before.png, after.png and surgery.json.")],
    box: Annotated[str | None, typer.Option(help="The region: left,top,right,bottom in pixels.")] = None,
    outline: Annotated[str | None, typer.Option(help="Or its corners: x,y,x,y,x,y… in pixels.")] = None,
    paint: Annotated[Paint, typer.Option(help="What the region is painted over with.")] = "surroundings",
    swap: Annotated[Path | None, typer.Option(help="Instead, put a part of this picture in its place.")] = None,
    place: Annotated[str | None, typer.Option(help="For --swap: left,top,right,bottom of that part.")] = None,
    feather: Annotated[float, typer.Option(min=0, help="For --swap: pixels of soft edge.")] = 0.0,
    model: PromptedModel = "photo-vit",
    class_: Classes = ["auto"],  # noqa: B006 - Typer copies it
    top: Top = 4,
    **checkpoint: Any,
) -> None:
    """Paint over or swap a region of a picture and see what the classes make of it."""
    from explain.engine import Engine
    from explain.picture import decode
    from explain.render import encode_png
    from explain.surgery import answer_surgery, paint_over, swap_region
    from explain.traits import encode_figure

    if (box is None) == (outline is None):
        raise ExplainError("Say which region: --box left,top,right,bottom or --outline x,y,x,y,x,y.")
    corners = _read_numbers("--outline", outline) or ()
    if len(corners) % 2:
        raise ExplainError(f"--outline takes pairs of numbers, x,y,x,y,x,y, but {outline} has {len(corners)} numbers.")
    region: Any = _read_numbers("--box", box) or list(zip(corners[::2], corners[1::2], strict=True))
    request, weights, _ = _read_model(model, **checkpoint)
    before = decode(read_file(picture), picture.name)
    if swap is not None:
        part: Any = _read_numbers("--place", place)
        after = swap_region(before, region, decode(read_file(swap), swap.name), part, feather)
    else:
        after = paint_over(before, region, paint)
    engine = Engine()
    answer = answer_surgery(engine, before, after, engine.load(request, weights), class_, top)
    files = {"altered.png": encode_png(after.pixels), "surgery.json": _encode_json(answer.as_data())}
    figures = {"before.png": encode_figure(before, answer.before), "after.png": encode_figure(after, answer.after)}
    _write_files(out, files | figures)
    print(after.notes[-1])
    for moment, view in (("before", answer.before), ("after", answer.after)):
        print(f"{moment}: " + ", ".join(f"{p.label} {p.probability:.1%}" for p in view.predictions[:5]))
    for one, other in zip(answer.before.classes, answer.after.classes, strict=True):
        print(
            f"{one.label}: score {one.score:.2f} → {other.score:.2f}, {one.probability:.1%} → {other.probability:.1%}"
        )
    print(f"\nWritten to {out}. Not for diagnostic use.")


@app.command()
def models(
    search: Annotated[str, typer.Argument(help="Part of a timm name; without it, only the bundled models.")] = "",
    as_json: Json = False,
) -> None:
    """List the bundled models, the prompts trained here and, with a search text, models of the hub."""
    from explain.engine import Engine
    from explain.models import bundled_models, search_hub
    from explain.prompt_library import list_prompts

    bundled, trained = bundled_models(), list_prompts()
    found = search_hub(search) if search else []
    if as_json:
        rows = {
            "bundled": [entry.model_dump(mode="json") for entry in bundled],
            "prompts": [card.model_dump(mode="json") for card in trained],
            "hub": [{"name": entry.name, "works_offline": entry.cached} for entry in found],
        }
        print(json.dumps(rows))
        return
    for entry in bundled:
        print(f"{entry.name:<12} bundled  {entry.title}")
    for card in trained:
        print(
            f"prompts:{card.name}  {len(card.classes)} classes on {card.backbone.name} ({card.variant}), "
            f"{card.accuracy:.1f} % right"
        )
    for hub in found:
        print(f"{hub.name}  hub{'  works offline' if hub.cached else ''}")
    print(f"Models run on {Engine().description}.")


@app.command()
@_with_flags(_CHECKPOINT)
def layers(
    model: Annotated[str, typer.Argument(help="As for show --model.")],
    as_json: Json = False,
    **checkpoint: Any,
) -> None:
    """List the layers of a model that can be explained, from stem to head."""
    from explain.engine import Engine

    request, weights, _ = _read_model(model, **checkpoint)
    loaded = Engine().load(request, weights)
    default = loaded.default_layer
    if as_json:
        rows = [
            {"name": at.name, "grid": at.grid, "channels": at.channels, "default": at == default}
            for at in loaded.layers
        ]
        print(json.dumps(rows))
        return
    for at in loaded.layers:
        mark = "  (default)" if at == default else ""
        print(f"{at.name:<28} {at.grid[0]}×{at.grid[1]}  {at.channels} channels{mark}")


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods with their settings."""
    from explain.methods import all_methods

    if as_json:
        rows = [
            {
                "name": entry.name,
                "title": entry.title,
                "sentence": entry.sentence,
                "paper": entry.paper,
                "group": entry.group,
                "needs": sorted(entry.needs),
                "class_agnostic": entry.class_agnostic,
                "settings": entry.settings.model_json_schema().get("properties", {}),
                "presets": {name: values.model_dump(mode="json") for name, values in entry.presets.items()},
            }
            for entry in all_methods().values()
        ]
        print(json.dumps(rows))
        return
    for entry in all_methods().values():
        print(f"{entry.name:<12} {entry.title} ({entry.group}): {entry.sentence}\n{'':<12} {entry.paper}")
        for name, info in entry.settings.model_fields.items():
            print(f"{'':<14} --set {entry.name}.{name}={info.default}  {info.description}")
        for name in entry.presets:
            print(f"{'':<14} --preset {entry.name}={name}")


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, which is made if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise ExplainError(f"Nothing can be written to {folder}: {error.strerror or error}.") from None


def _encode_json(data: Any) -> bytes:
    return json.dumps(data, indent=1, ensure_ascii=False).encode()


def _read_settings(presets: list[str], values: list[str]) -> dict[str, dict[str, Any]]:
    """`--preset` and `--set` options as settings by method; the engine checks names and bounds."""
    from explain.methods import get_method

    settings: dict[str, dict[str, Any]] = {}
    for text in presets:
        name, _, preset = text.partition("=")
        known = get_method(name).presets
        if preset not in known:
            raise ExplainError(f"{name} has no preset “{preset}”. It has: {', '.join(known) or 'none'}.")
        settings[name] = known[preset].model_dump()
    for text in values:
        path, equals, value = text.partition("=")
        name, dot, field = path.partition(".")
        if not (equals and dot):
            raise ExplainError(f"--set takes METHOD.SETTING=VALUE, e.g. cf-cam.eps=2, not “{text}”.")
        settings.setdefault(name, {})[field] = value
    return settings


def _read_view(values: list[str]) -> Any:
    from pydantic import ValidationError

    from explain.render import RenderSettings

    pairs = dict(text.partition("=")[::2] for text in values)
    try:
        return RenderSettings.model_validate(pairs)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(RenderSettings.model_fields)
        raise ExplainError(
            f"--view does not take {first['loc'][0]}={first['input']}: {first['msg'].lower()}. It takes: {known}."
        ) from None


def _read_model(
    model: str,
    arch: str | None,
    labels: str | None,
    input_size: int | None,
    mean: str | None,
    std: str | None,
    channels: int | None,
) -> tuple[Any, bytes | None, Path | None]:
    """The request, and for a file its bytes and path."""
    from explain.models import build_file_request, parse_model

    if not model.startswith("file:"):
        given = {"--arch": arch, "--labels": labels, "--input-size": input_size, "--mean": mean, "--std": std}
        useless = [flag for flag, value in {**given, "--channels": channels}.items() if value is not None]
        if useless:
            raise ExplainError(f"{', '.join(useless)} only applies to --model file:PATH; {model} knows its own.")
        return parse_model(model), None, None
    path = Path(model.removeprefix("file:"))
    data = read_file(path)
    label_file = Path(labels) if labels and Path(labels).is_file() else None
    request = build_file_request(
        data,
        path.name,
        architecture=arch,
        labels=None if label_file else labels,
        label_file=read_file(label_file) if label_file else None,
        input_size=input_size,
        mean=_read_numbers("--mean", mean),
        std=_read_numbers("--std", std),
        channels=channels,
    )
    return request, data, path


def _read_numbers(flag: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ExplainError(f"{flag} takes numbers with commas between, e.g. 0.5,0.5,0.5, not “{text}”.") from None


def _suggest_prompted(labels: tuple[str, ...]) -> str:
    """A bundled model with prompts that knows the same classes, in a sentence; else nothing."""
    from explain.models import find_prompted_twin

    twin = find_prompted_twin(labels)
    return f"Try --model {twin}, which knows the same classes." if twin else ""


def main() -> None:
    """Run the command line; what CAMscope refuses is one sentence on stderr and exit status 2."""
    try:
        app()
    except ExplainError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
