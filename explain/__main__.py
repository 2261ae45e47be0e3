"""The command line: `python -m explain show|replay|train-prompts|models|layers|methods`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.augmentation import Augmentation
from explain.capture import Score
from explain.errors import ExplainError
from explain.files import read_file
from explain.fusion import Fusion
from explain.prompt_training import PromptRecipe

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
Architecture = Annotated[
    str | None, typer.Option("--arch", help="For file:PATH: timm/NAME or torchvision/NAME, e.g. torchvision/resnet18.")
]
Labels = Annotated[
    str | None, typer.Option(help="For file:PATH: imagenet, cifar10, or a text file with one label a line.")
]
InputSize = Annotated[int | None, typer.Option(help="For file:PATH: side of the model's input in pixels.")]
Mean = Annotated[str | None, typer.Option(help="For file:PATH: mean of each channel in 0…1, e.g. 0.5,0.5,0.5.")]
Std = Annotated[str | None, typer.Option(help="For file:PATH: standard deviation of each channel, e.g. 0.5,0.5,0.5.")]
Channels = Annotated[int | None, typer.Option(help="For file:PATH: 3 for colour, 1 for grey.")]

_MOST_WRONG_LISTED = 20


@app.command()
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
    arch: Architecture = None,
    labels: Labels = None,
    input_size: InputSize = None,
    mean: Mean = None,
    std: Std = None,
    channels: Channels = None,
) -> None:
    """Explain pictures and write overlays, raw maps and a manifest that replays."""
    from explain.engine import Engine
    from explain.export import write_folder
    from explain.methods import get_method
    from explain.picture import decode

    names = [name.strip() for name in methods.split(",") if name.strip()]
    settings = _read_settings(preset or [], set_ or [])
    chosen_view = _read_view(view or [])
    engine = Engine()
    request, weights, file = _read_model(model, arch, labels, input_size, mean, std, channels)
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
    write_folder(explanation, out, chosen_view, files, file)
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
        from explain.export import write_folder

        for index, explanation in enumerate(report.explanations):
            write_folder(explanation, out / f"{index + 1:02d}")
    if not report.reproduced:
        raise typer.Exit(1)


def _with_recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each setting of the training, in place of its `**settings`."""
    signature = inspect.signature(command, eval_str=True)
    named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[info.annotation | None, typer.Option(help=f"{info.title}. {info.description}")],  # type: ignore[operator]
        )
        for name, info in PromptRecipe.model_fields.items()
    ]
    command.__signature__ = signature.replace(parameters=[*named, *flags])  # type: ignore[attr-defined]
    return command


@app.command()
@_with_recipe_flags
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
    arch: Architecture = None,
    labels: Labels = None,
    input_size: InputSize = None,
    mean: Mean = None,
    std: Std = None,
    channels: Channels = None,
    as_json: Json = False,
    **settings: Any,
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
    request, weights, _ = _read_model(backbone, arch, labels, input_size, mean, std, channels)
    loaded = Engine().load(request, weights)
    given = {name: value for name, value in settings.items() if value is not None}
    recipe = change_recipe(choose_recipe(dataset, loaded), given)

    def tell(said: Epoch | str, share: float | None) -> None:
        if isinstance(said, str):
            print(said, file=sys.stderr)
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
def layers(
    model: Annotated[str, typer.Argument(help="As for show --model.")],
    arch: Architecture = None,
    labels: Labels = None,
    input_size: InputSize = None,
    mean: Mean = None,
    std: Std = None,
    channels: Channels = None,
    as_json: Json = False,
) -> None:
    """List the layers of a model that can be explained, from stem to head."""
    from explain.engine import Engine

    request, weights, _ = _read_model(model, arch, labels, input_size, mean, std, channels)
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
