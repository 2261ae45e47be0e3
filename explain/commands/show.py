"""`show` and `replay`: maps of pictures, and the same again."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.bundled.models import FIRST_MODEL, find_prompted_twin
from explain.commands.flags import (
    CHECKPOINT,
    ModelName,
    NameMode,
    White,
    app,
    keep_recipe,
    read_mask,
    read_model,
    read_settings,
    read_view,
    split_names,
    with_flags,
)
from explain.commands.progress_lines import say_progress
from explain.commands.series import MIDDLE, are_volumes, list_indices, open_series
from explain.commands.stack import TABLE, WholeStack, show_stack
from explain.commands.taking_away import TakeAway
from explain.commands.whole_volumes import open_whole, write_volume
from explain.commands.without import measure_without
from explain.datasets.given import GivenFile, is_junk, say_too_large, walk_folder
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation, PictureExplanation
from explain.engine.question import DEFAULT_METHODS, build_question
from explain.engine.slices import SliceAnswer
from explain.errors import Cancelled, DeviceError, ExplainError, PictureError
from explain.faithfulness.unlike import check_count
from explain.faithfulness.verdict import SIGNS
from explain.maps.fusion import Fusion
from explain.maps.mask import MaskSettings
from explain.methods import get_method
from explain.models.loaded import get_layer
from explain.networks.meaning import describe_assumption
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.bounds import MAX_BYTES
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.report.export import Report, save
from explain.report.language_model import HEADING, open_language_model
from explain.report.mask_files import MaskFiles
from explain.report.masks import find_masks
from explain.report.one_page.stack import ExplainedStack
from explain.report.replay import replay_manifest
from explain.report.sentence import write_sentence
from explain.storage import check_folder, expand_home, read_file
from explain.volumes.planes import Plane

LeaveOut = Callable[[str], None]
"""Told why a picture is left out, in a sentence."""

_log = logging.getLogger(__name__)


@app.command()
@with_flags(CHECKPOINT)
def show(
    pictures: Annotated[
        list[Path], typer.Argument(help="Picture files, folders of them, or a NIfTI file or zip of scans.")
    ],
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
    names: NameMode = "auto",
    view: Annotated[list[str] | None, typer.Option(help="View SETTING=VALUE, e.g. opacity=0.7, scale=shared.")] = None,
    slice_: Annotated[
        str | None, typer.Option("--slice", help="Of a series of scans: middle, a number, or two as in 10-20.")
    ] = None,
    series: Annotated[int, typer.Option(help="Which series, as the command series lists them.")] = 1,
    plane: Annotated[Plane, typer.Option(help="Which way a series is cut; stack is as it was scanned.")] = "stack",
    window: Annotated[str | None, typer.Option(help="Of a series: Brain, Lung, Bone …, or one of its own.")] = None,
    stack: Annotated[
        bool,
        typer.Option("--stack", help="All slices of a series, for one class and with one scale; --slice is the first."),
    ] = False,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="Also measure whether each map may be believed; takes seconds a picture.")
    ] = False,
    without: Annotated[
        bool,
        typer.Option("--without", help="Also measure what happens without the place where the first map is high."),
    ] = False,
    words: Annotated[
        Path | None,
        typer.Option(help="Folder with an image-text model of transformers: also print what it says of each picture."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a one-page report, FILE.pdf or FILE.html.")] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(help="Also write where each map is high: SETTING=VALUE, e.g. share=0.2 or threshold=otsu."),
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="Also write maps of scans as nifti, dicom, or both with a comma between.")
    ] = None,
    for_archive: Annotated[
        bool,
        typer.Option(
            "--for-archive",
            help="DICOM files name the patient and the study, so that an archive files them; else nobody is named.",
        ),
    ] = False,
    references: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures like those the model learned from: one unlike them is said to be."),
    ] = None,
    **checkpoint: Any,
) -> None:
    """Explain pictures and write overlays, raw maps and a manifest that replays.

    What cannot be read is named and left out, and the others are explained: the exit status is then 1. With --slice,
    the files are looked through for series, and slices of one are explained; with --stack, all of them, for one class.
    """
    chosen = split_names(methods)
    settings = read_settings(preset or [], set_ or [])
    chosen_view = read_view(view or [])
    masks = None if mask is None else read_mask(mask)
    describe = None if words is None else open_language_model(words).describe
    out = check_folder(out)
    if stack and (verdicts or without or words or references is not None or (fusion, augmentation) != ("none", "none")):
        raise ExplainError(
            "--stack explains slices as they are: leave verdicts, effects, words, references, fusion, views out."
        )
    asks_for_series = stack or slice_ is not None or plane != "stack" or window is not None or series != 1
    volume = open_series(pictures, series) if asks_for_series or are_volumes(pictures) else None
    indices = [] if volume is None else list_indices(volume, slice_ or MIDDLE, plane)
    files = [] if volume is not None else list_pictures(pictures, out)
    slices = [] if volume is None or stack else [volume.slice(at, plane, window) for at in indices]
    takers = [] if masks is None else [MaskFiles()]
    take_away = TakeAway.ask(report, export, for_archive, chosen_view, volume, stack)
    engine = Engine()
    request, weights, file = read_model(model, **checkpoint)
    loaded = engine.load(request, weights)
    keep_recipe(loaded, **checkpoint)
    if volume is None and not loaded.reads_volumes:
        take_away.refuse_pictures()
    for note in loaded.notes:
        print(f"{request.name}: {note}")
    if request.source == "file" and loaded.outputs == "classes" and not (request.outputs or request.labels):
        print(f"{request.name}: {describe_assumption(loaded.outputs, loaded.labels)}")
    build_question(loaded, chosen, layer, target, settings, score)  # refused before a picture is read
    for written, found in zip(layer, (get_layer(loaded, name) for name in layer), strict=True):
        if written not in ("auto", found.name):
            print(f"{request.name}: {written} is explained as {found.name}, which gives the very same.")
    if loaded.reads_volumes and not stack:
        if without or words or references is not None or (fusion, augmentation) != ("none", "none"):
            raise ExplainError("A volume is explained as it is: leave effects, words, references, fusion, views out.")
        volume = volume or open_whole(pictures, series, request.name)
        answer = engine.explain_volume(
            volume, loaded, chosen, layer, target, settings, score, say_progress, verdicts=verdicts
        )
        answer = replace(answer, masks=masks)
        write_volume(answer, out, chosen_view, window, file)
        _finish(engine, out, [], 1, take_away.write_volume(answer, out, window))
        return
    ask = partial(
        engine.explain,
        model=loaded,
        methods=chosen,
        layer=layer,
        target=target,
        settings=settings,
        score=score,
        fusion=fusion,
        augmentation=augmentation,
        verdicts=verdicts,
        references=None if references is None else _read_references(references, out, partial(decode, white=white)),
    )
    if stack:
        assert volume is not None
        whole = WholeStack(volume, plane, window, indices[0], chosen_view.signed)
        answers = engine.explain_stack(
            volume, loaded, chosen, layer, target, settings, score, plane, window, first=indices[0]
        )

        def tell(picture: Picture, answer: SliceAnswer) -> Explanation:
            answer_to_slice = Explanation(loaded, (answer.lay_on(picture),), score, device=engine.description)
            return _choose_masks(answer_to_slice, masks)

        with Report(out, chosen_view, file, names, [*take_away.takers, *takers]) as folder:
            answered, problems = show_stack(whole, answers, tell, folder)
        explained = ExplainedStack(loaded, volume, answered, score, engine.description, plane, window)
        also = f", the stack in {TABLE}{take_away.write_stack(explained)}"
        _finish(engine, out, problems, len(whole.volume.list_there(plane)), also)
        return
    left_out: list[str] = []

    def leave_out(sentence: str) -> None:
        left_out.append(sentence)
        if len(files or slices) > 1:
            print(f"left out: {sentence}", file=sys.stderr)

    with Report(out, chosen_view, file, names, [*take_away.takers, *takers]) as folder:
        count = len(files or slices)
        for start in range(0, count, engine.batch):
            part = slice(start, start + engine.batch)
            ask_now = partial(
                ask,
                progress=partial(say_progress, before=start / count, part=min(engine.batch, count - start) / count),
            )
            ask_now = partial(_ask_on, ask_now, masks, engine if without else None)
            # What is read is not named here: it would be held while the next are read.
            _show_some(
                *_read_some(files[part], slices[part], partial(decode, white=white), leave_out),
                ask_now,
                folder,
                leave_out,
                describe,
            )
            engine.forget()  # each picture is asked about once: what is kept of it would serve nobody
    if not folder.count:
        raise ExplainError(left_out[0] if len(left_out) == 1 else f"None of the {count} files could be explained.")
    _finish(engine, out, left_out, count, take_away.write())


def _finish(engine: Engine, out: Path, left_out: Sequence[str], count: int, also: str = "") -> None:
    print(f"\nComputed on {engine.description}. Written to {out}{also}. Not for diagnostic use.")
    if left_out:
        print(f"{len(left_out)} of {count} pictures left out; the reasons are above.", file=sys.stderr)
        raise typer.Exit(1)


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
    out = None if out is None else check_folder(out)
    report = replay_manifest(manifest, [expand_home(place) for place in pictures or []], weights, maps)
    for line in report.lines:
        print(line)
    if out is not None:
        for index, explanation in enumerate(report.explanations):
            save(explanation, out / f"{index + 1:02d}", names="shown")  # they are called as in the manifest
    if not report.reproduced:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _File:
    """A file to be read: one that was named or looks like a picture is told of where it cannot be."""

    path: Path
    wanted: bool


def list_pictures(given: Sequence[Path], out: Path) -> list[_File]:
    """The files to read: those that are named, and all in the folders that are, by their names.

    Args:
        given: files and folders; `~` is the person's home.
        out: where results go: an earlier run's are no pictures to be explained.

    Raises:
        ExplainError: a folder holds no file.
    """
    files = []
    for path in map(expand_home, given):
        if not path.is_dir():
            files.append(_File(path, wanted=True))
            continue
        inside = sorted(
            (parts, found)
            for found, parts in walk_folder(path)
            if not is_junk(parts) and out.resolve() not in found.resolve().parents
        )
        if not inside:
            raise ExplainError(f"The folder {path} holds no pictures. Name another one.")
        files += [_File(found, GivenFile(parts, bytes).looks_like_picture) for parts, found in inside]
    return files


def _read_references(folder: Path, out: Path, read: Callable[[bytes, str], Picture]) -> list[Picture]:
    """The pictures of a folder to compare with; what is none is passed over.

    Raises:
        ExplainError: there is no such folder, or too few pictures in it.
    """
    if not expand_home(folder).is_dir():
        raise ExplainError(f"There is no folder {folder}. Name one with reference pictures.")
    pictures = []
    for file in list_pictures([folder], out):
        try:
            pictures.append(read(read_file(file.path), file.path.name))
        except ExplainError as error:
            if file.wanted:
                print(f"left out of the references: {error}", file=sys.stderr)
    check_count(len({picture.digest for picture in pictures}))
    return pictures


def _read_some(
    files: Sequence[_File], slices: Sequence[Picture], read: Callable[[bytes, str], Picture], leave_out: LeaveOut
) -> tuple[list[Picture], dict[str, Path]]:
    """The pictures in some files, after slices that are read already, and where each file lies, by digest."""
    places: dict[str, Path] = {}
    pictures = [*slices]
    for file in files:
        try:
            if file.path.is_file() and file.path.stat().st_size > MAX_BYTES:
                raise PictureError(f"“{file.path.name}”: {say_too_large()}")
            pictures.append(read(read_file(file.path), file.path.name))
            places[pictures[-1].digest] = file.path
        except ExplainError as error:
            if file.wanted:
                leave_out(str(error))
    return pictures, places


def _show_some(
    pictures: Sequence[Picture],
    places: dict[str, Path],
    ask: Callable[[Sequence[Picture]], Explanation],
    report: Report,
    leave_out: LeaveOut,
    describe: Callable[[Picture], str] | None,
) -> None:
    """Explain some pictures together, write and print what is said of each. Nothing of them is held longer."""
    for explanation in _ask_about(pictures, ask, leave_out):
        first = report.count + 1
        report.add(explanation, places)
        for number, entry in enumerate(explanation.pictures, first):
            _print_entry(entry, explanation.model.labels, report.name(entry.picture, number))
            if describe is not None:
                print(f"  {HEADING}:\n    {describe(entry.picture)}")


def _ask_on(
    ask: Callable[[Sequence[Picture]], Explanation],
    masks: MaskSettings | None,
    engine: Engine | None,
    pictures: Sequence[Picture],
) -> Explanation:
    """The answer to some pictures, how maps become masks, and by the engine what happens without the place of one."""
    answer = _choose_masks(ask(pictures), masks)
    return answer if engine is None else measure_without(engine, answer)


def _choose_masks(answer: Explanation, masks: MaskSettings | None) -> Explanation:
    return replace(answer, pictures=tuple(replace(entry, masks=masks) for entry in answer.pictures))


def _ask_about(
    pictures: Sequence[Picture], ask: Callable[[Sequence[Picture]], Explanation], leave_out: LeaveOut
) -> list[Explanation]:
    """The answer to some pictures; where one of them stands in the way, to each of the others alone."""
    if not pictures:
        return []
    try:
        return [ask(pictures)]
    except (Cancelled, DeviceError):
        raise
    except Exception as error:
        if len(pictures) > 1:
            return [answer for picture in pictures for answer in _ask_about([picture], ask, leave_out)]
        if isinstance(error, ExplainError):
            leave_out(f"“{pictures[0].name}”: {error}")
        else:
            _log.exception("A picture could not be explained")
            leave_out(f"“{pictures[0].name}” could not be explained: {type(error).__name__}: {error}")
        return []


def _print_entry(entry: PictureExplanation, labels: tuple[str, ...], written: str) -> None:
    """What is said of a picture, which may be written under another name."""
    name = entry.picture.name
    print(
        f"\n{name if written == name else f'{name}, written as {written}'}: "
        + ", ".join(p.describe(1) for p in entry.predictions)
    )
    if entry.caution:
        print(f"  Caution: {entry.caution}")
    if entry.unlike.unlike and entry.unlike.value is not None and entry.unlike.bound is not None:
        print(f"  Unlikeness {entry.unlike.value:.2f}, above {entry.unlike.bound:.2f}. {entry.unlike.made}")
    for note in entry.picture.notes:
        print(f"  {note}")
    print(f"  explained: {', '.join(entry.labels)}, layer {', '.join(entry.layers)}")
    found = {} if entry.masks is None else {one.heatmap.key: one for one in find_masks(entry, entry.masks)}
    for heatmap in entry.maps:
        low, high = heatmap.range
        title = get_method(heatmap.method).title
        if len(entry.layers) * len(entry.targets) > 1:
            title += f", {heatmap.layer}, {heatmap.label}"
        print(f"  {title:<12} {low:.3g} … {high:.3g}, {heatmap.seconds * 1000:.1f} ms", *heatmap.warnings, sep="  ")
        if heatmap.key in found:
            print(f"    {found[heatmap.key].sentence}")
        verdict = entry.verdicts.get(heatmap.key)
        for mark in verdict.marks if verdict else ():
            print(f"    {SIGNS[mark.word]} {mark.word}: {mark.sentence}")
    if said := write_sentence(entry).text:
        print(f"  {said}")
    for name, reason in entry.unavailable.items():
        method = get_method(name)
        suggestion = _suggest_prompted(labels) if "prompts" in method.needs else ""
        print(f"  {method.title:<12} not available: {reason} {suggestion}".rstrip())


def _suggest_prompted(labels: tuple[str, ...]) -> str:
    """A bundled model with prompts that knows the same classes, in a sentence; else nothing."""
    twin = find_prompted_twin(labels)
    return f"Try --model {twin}, which knows the same classes." if twin else ""
