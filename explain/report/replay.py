"""Make the maps of a manifest again and compare them bit for bit."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError, ModelError
from explain.faithfulness.verdict import VERDICT_RULES
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.pictures.bounds import MAX_BYTES
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.report.manifest import (
    VOLUME_MAPS,
    Manifest,
    MapEntry,
    PictureEntry,
    VolumeEntry,
    find_versions,
    name_map,
    read_manifest,
    write_verdict,
)
from explain.storage import read_file
from explain.volumes.reading import Found, read_volumes
from explain.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Replay:
    """What came of a replay.

    Attributes:
        lines: one sentence a map, and what else a reader should know.
        reproduced: every map was made again and equals the old one bit for bit, and so does every verdict that
            was found by the same rules.
        explanations: one for each picture.
    """

    lines: tuple[str, ...]
    reproduced: bool
    explanations: tuple[Explanation, ...]


def replay_manifest(
    path: Path, pictures: Sequence[Path] = (), weights: Path | None = None, maps: Path | None = None
) -> Replay:
    """Replay a manifest.

    Args:
        path: the manifest.
        pictures: files or folders to look for the pictures in, beside where the manifest says and the bundled ones.
            A picture is known by the digest of its bytes, whatever it is called now.
        weights: the checkpoint of a model that came from a file, if not where the manifest says.
        maps: the NPZ to compare with; `maps.npz` or, of a volume, `volume-maps.npz` beside the
            manifest by default.

    Raises:
        ExplainError: something the replay needs is missing or is not what it was.
    """
    manifest = read_manifest(read_file(path))
    expected = _read_maps(maps or _find_maps(path.parent, manifest))
    engine = Engine()
    loaded = _load_model(engine, manifest, _read_weights(manifest, path.parent, weights))
    lines = _compare_versions(manifest, engine.description)
    explanations = []
    volumes = _Volumes(pictures)
    same, unlike = 0, 0
    for index, entry in enumerate(manifest.pictures):
        picture = volumes.cut(entry) if entry.section else _find_picture(entry, path.parent, pictures)
        wanted = [made for made in manifest.maps if made.key.startswith(f"{index}/")]
        if loaded.reads_volumes:
            whole = _ask_about_volume(engine, loaded, volumes.find(entry), entry, manifest)
            explanation = Explanation(loaded, (whole.lay_on(picture),), manifest.score, device=whole.device)
        else:
            explanation = engine.explain(
                picture,
                loaded,
                list(dict.fromkeys(made.method for made in wanted)),
                layer=entry.layers,
                target=entry.targets,
                settings={made.method: made.settings for made in wanted},
                score=manifest.score,
                fusion=manifest.fusion,
                augmentation=manifest.augmentation,
                verdicts=any(made.verdict for made in wanted),
            )
        explanations.append(explanation)
        found = {name_map(index, heatmap): heatmap for heatmap in explanation.pictures[0].maps}
        for made in wanted:
            title = _title_map(entry, made)
            again = found.get(made.key)
            equal, said = _compare(expected.get(made.key), None if again is None else again.values)
            same += equal
            lines.append(f"{title}: {said}")
            if made.verdict is not None and again is not None:
                judged = write_verdict(explanation.pictures[0].verdicts.get(again.key))
                if made.verdict.rules != VERDICT_RULES:
                    lines.append(f"{title}: the verdict was found by older rules, and is not compared.")
                    continue
                agrees = judged == made.verdict
                unlike += not agrees
                lines.append(f"{title}: the verdict is {'the same' if agrees else 'another one now'}.")
    for listed in manifest.volumes:
        wanted = [made for made in manifest.maps if made.picture == listed.digest]
        whole = _ask_about_volume(engine, loaded, volumes.find(listed), listed, manifest)
        values = {one.key: one.values for one in whole.maps}
        for made in wanted:
            equal, said = _compare(expected.get(made.key), values.get(made.key))
            same += equal
            lines.append(f"{_title_map(listed, made)}: {said}")
    lines.append(f"{same} of {len(manifest.maps)} maps are the same, bit for bit.")
    return Replay(tuple(lines), same == len(manifest.maps) and not unlike, tuple(explanations))


def _ask_about_volume(
    engine: Engine, loaded: LoadedModel, volume: Volume, entry: PictureEntry | VolumeEntry, manifest: Manifest
) -> VolumeExplanation:
    wanted = [made for made in manifest.maps if made.picture == entry.digest]
    return engine.explain_volume(
        volume,
        loaded,
        list(dict.fromkeys(made.method for made in wanted)),
        layer=entry.layers,
        target=entry.targets,
        settings={made.method: made.settings for made in wanted},
        score=manifest.score,
    )


def _title_map(entry: PictureEntry | VolumeEntry, made: MapEntry) -> str:
    """Picture and method, and layer and class where there are several."""
    title = f"{entry.name}, {get_method(made.method).title}"
    return f"{title}, {made.layer}, {made.label}" if len(entry.layers) * len(entry.targets) > 1 else title


def _compare(before: np.ndarray | None, again: np.ndarray | None) -> tuple[bool, str]:
    """Whether a map is the same again, bit for bit, and what is said of it."""
    if again is None:
        return False, "could not be made again."
    if before is None:
        return False, "made again, but the old map is not in the NPZ."
    if before.shape != again.shape:
        return False, f"differs in size, {before.shape} then and {again.shape} now."
    if before.tobytes() == again.tobytes():
        return True, "the same, bit for bit."
    return False, f"differs by up to {np.abs(before - again).max():.3g}."


def _load_model(engine: Engine, manifest: Manifest, weights: bytes | None) -> LoadedModel:
    """The model of the manifest, known by its fingerprint."""
    request = manifest.model.request
    loaded = engine.load(request, weights)
    then = manifest.model.outputs or ("classes" if loaded.outputs == "findings" else loaded.outputs)
    if request.outputs is None and then != loaded.outputs:
        # Before the file was asked what its numbers mean, their count alone told it.
        request = request.model_copy(update={"outputs": then})
        loaded = engine.load(request, weights)
    if loaded.fingerprint == manifest.model.fingerprint:
        return loaded
    if request.source == "file" and request.weights is None:
        # Before averages were taken of a file that holds them, what stands beside them was.
        with contextlib.suppress(ModelError):  # it holds one set of weights
            raw = engine.load(request.model_copy(update={"weights": "raw"}), weights)
            if raw.fingerprint == manifest.model.fingerprint:
                return raw
    raise ModelError(f"{request.name} is not the model of the manifest: its weights or its preprocessing differ.")


def _find_maps(folder: Path, manifest: Manifest) -> Path:
    """Where the maps lie beside their manifest."""
    return folder / (VOLUME_MAPS if manifest.format == 2 else "maps.npz")


def _read_maps(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(read_file(path)), allow_pickle=False) as maps:
            return {key: maps[key] for key in maps.files}
    except (ValueError, OSError) as error:
        raise ExplainError(f"{path} is no NPZ of maps: {error}.") from None


def _read_weights(manifest: Manifest, folder: Path, given: Path | None) -> bytes | None:
    request = manifest.model.request
    if request.source != "file":
        return None
    path = given or (folder / manifest.model.file if manifest.model.file else None)
    if path is None:
        raise ModelError(f"The manifest does not say where {request.name} is. Name it with --weights PATH.")
    return read_file(path)


def _find_picture(entry: PictureEntry, folder: Path, places: Sequence[Path]) -> Picture:
    """The picture whose bytes have the manifest's digest."""
    for path in _list_candidates(entry, folder, places):
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == entry.digest:
                return decode(data, entry.name, entry.white, entry.rules)
    raise ExplainError(
        f"The picture {entry.name} was not found, or is not what it was. Name its file or folder with --pictures."
    )


class _Volumes:
    """The series among files, of which slices are wanted; read once, and one of them held at a time."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._found: Found | None = None
        self._open: Volume | None = None

    def cut(self, entry: PictureEntry) -> Picture:
        """The slice that is a picture of the manifest.

        Raises:
            ExplainError: its series is not among the files, or it is not what it was.
        """
        section = entry.section
        assert section is not None
        volume = self.find(entry)
        picture = volume.slice(section.index, section.plane, section.window or None, section.inverted)
        if picture.digest != entry.digest:
            raise ExplainError(f"{entry.name} is not what it was when the manifest was written.")
        return picture

    def find(self, entry: PictureEntry | VolumeEntry) -> Volume:
        """The volume of a slice or of a whole one, opened.

        Raises:
            ExplainError: its series is not among the files, or it is not what it was.
        """
        wanted = entry.digest
        if isinstance(entry, PictureEntry):
            assert entry.section is not None
            wanted = entry.section.volume
        if self._found is None:
            self._found = read_volumes(self._places)
        if self._open is None or self._open.digest != wanted:
            listed = (
                (one, at) for one in self._found.series for at, digest in enumerate(one.digests) if digest == wanted
            )
            series, volume = next(listed, (None, 0))
            if series is None:
                raise ExplainError(
                    f"The series of {entry.name} was not found, or is not what it was. Name its folder, or the zip it "
                    "is in, with --pictures."
                )
            self._open = series.open(volume=volume)
        return self._open


def _list_candidates(entry: PictureEntry, folder: Path, places: Sequence[Path]) -> Iterator[Path]:
    if entry.file:
        yield folder / entry.file
    for place in places:
        yield from sorted(place.iterdir()) if place.is_dir() else [place]
    yield from (bundled.path for bundled in bundled_pictures())


def _compare_versions(manifest: Manifest, device: str) -> list[str]:
    now = find_versions(device)
    then = manifest.versions
    changed = [f"{name} {then[name]} → {now.get(name, 'absent')}" for name in then if now.get(name) != then[name]]
    return [f"Since then changed: {', '.join(changed)}. Maps may differ in the last digits."] if changed else []
