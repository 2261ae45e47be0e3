"""What leaves CAMscope: the figure, the overlays, the raw maps and the manifest."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from explain.engine.explanation import Explanation, PictureExplanation
from explain.maps.figure import FigureRow, figure
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings, encode_png
from explain.pictures.naming import Names, hide_name
from explain.pictures.picture import Picture
from explain.report.comparison import build_rows, describe_making, draw_overlay, find_ranges
from explain.report.manifest import Manifest, build_manifest, join_manifests, name_map, write_manifest
from explain.storage import expand_home, refusing_to_write


def encode_maps(explanation: Explanation) -> bytes:
    """The raw maps as NPZ, float32, under the keys the manifest gives."""
    buffer = io.BytesIO()
    with _open_npz(buffer) as npz:
        for index, entry in enumerate(explanation.pictures):
            _write_maps(npz, index, entry)
    return buffer.getvalue()


def _open_npz(file: IO[bytes] | Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)


def _write_maps(npz: zipfile.ZipFile, index: int, entry: PictureExplanation) -> None:
    """Add a picture's maps, as `np.savez_compressed` would have, which wants all of them at once."""
    for heatmap in entry.maps:
        with npz.open(f"{name_map(index, heatmap)}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, heatmap.values, allow_pickle=False)


def encode_manifest(
    explanation: Explanation,
    folder: Path | None = None,
    picture_files: Mapping[str, Path] | None = None,
    model_file: Path | None = None,
) -> bytes:
    """The manifest as JSON; see `build_manifest`."""
    manifest = build_manifest(explanation, folder, picture_files, model_file)
    return write_manifest(manifest)


def save(
    explanation: Explanation,
    folder: str | Path,
    view: RenderSettings | None = None,
    picture_files: Mapping[str, Path] | None = None,
    model_file: Path | None = None,
    names: Names = "auto",
) -> Path:
    """Write overlays, `figure.png`, `maps.npz` and `manifest.json` into a folder, which is made if missing.

    Args:
        explanation: what the engine answered.
        folder: where to; an overlay a map is named by picture, method, layer and class.
        view: how maps are drawn.
        picture_files: by picture digest, the files the manifest names, so that it replays without being told.
        model_file: the checkpoint the manifest names.
        names: whose file names are hidden. A hidden one is in no file and no file's name, nor is where the file lies.

    Returns:
        The folder.

    Raises:
        ExplainError: nothing can be written there.
    """
    with Report(folder, view, model_file, names) as report:
        report.add(explanation, picture_files)
    return report.folder


class Taker(Protocol):
    """What makes more of each answer while a folder is filled: a report, files for an archive."""

    def take(
        self,
        explanation: Explanation,
        entry: PictureExplanation,
        ends: Mapping[str, tuple[float, float]],
        number: int,
        file: Path | None = None,
    ) -> Mapping[str, bytes]:
        """Take what was answered of a picture, under the name by which it may be called.

        Args:
            explanation: the answer.
            entry: of one picture.
            ends: lowest and highest value shown of each map, by its key.
            number: the picture's place among all, from 1.
            file: where it came from.

        Returns:
            Files to write into the folder, by their names.
        """

    def finish(self) -> Mapping[str, bytes]:
        """Files to write after the last picture."""


_MOST_PICTURES = 20  # of one figure: 1,000 photographs would make one of 400,000 pixels


class Report:
    """A folder of what `save` writes, filled while the answers come, so that none is held longer than it takes. A
    shared scale is that of the pictures of one answer.

    A context: what was added is whole when it is left, whatever happened. Figures of more than 20 pictures go on in
    `figure-2.png` and so on. Nothing is made before the first answer is added.

    Args:
        folder: see `save`, as all that follow.
        view: how maps are drawn.
        model_file: the checkpoint the manifest names.
        names: whose file names are hidden.
        also: what takes each answer too.

    Attributes:
        folder: where to.
        count: pictures so far.

    Raises:
        ExplainError: nothing can be written there.
    """

    def __init__(
        self,
        folder: str | Path,
        view: RenderSettings | None = None,
        model_file: Path | None = None,
        names: Names = "auto",
        also: Sequence[Taker] = (),
    ) -> None:
        self.folder = expand_home(Path(folder))
        self._also = also
        self._view = view or RenderSettings()
        self._model_file = model_file
        self._names = names
        self._npz: zipfile.ZipFile | None = None
        self._manifests: list[Manifest] = []  # of a picture each; those of 1,000 take some megabytes
        self._rows: list[FigureRow] = []
        self._notes: list[str] = []
        self._figures = 0
        self.count = 0

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_error: object) -> None:
        with refusing_to_write(self.folder):
            for taker in self._also if self.count else ():
                self._write(taker.finish())
            if self._npz is not None:
                self._npz.close()
            if self._manifests:
                self._write_figure()
                whole = join_manifests(self._manifests)
                (self.folder / "manifest.json").write_bytes(write_manifest(whole))

    def add(
        self,
        explanation: Explanation,
        picture_files: Mapping[str, Path] | None = None,
        scales: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Write what an answer holds; one by the same model, asked for in the same way as those before.

        Args:
            explanation: the answer.
            picture_files: see `save`.
            scales: by method, the values of the first and the last colour, where more than this answer decides them.
        """
        if not explanation.pictures:
            return
        with refusing_to_write(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._npz is None:
                self._npz = _open_npz(self.folder / "maps.npz")
            self._notes = describe_making(explanation)
            ranges = find_ranges(explanation.pictures, self._view)
            for given, own in zip(explanation.pictures, ranges, strict=True):
                ends = {key: (scales or {}).get(key.partition("/")[0], one) for key, one in own.items()}
                picture = hide_name(given.picture, self.count + 1, self._names)
                entry = replace(given, picture=picture)
                files = picture_files if picture is given.picture else None
                only = replace(explanation, pictures=(entry,))
                for name, heatmap in name_overlays(self.count, entry, ends):
                    drawn = draw_overlay(entry, heatmap, self._view, ends[heatmap.key])
                    (self.folder / name).write_bytes(encode_png(drawn))
                _write_maps(self._npz, self.count, entry)
                self._manifests.append(build_manifest(only, self.folder, files, self._model_file, first=self.count))
                for row in build_rows(explanation, entry, ends):
                    self._rows.append(replace(row, panes=[pane.fitted() for pane in row.panes]))
                for taker in self._also:
                    file = (picture_files or {}).get(given.picture.digest)
                    self._write(taker.take(explanation, entry, ends, self.count + 1, file))
                self.count += 1
                if self.count % _MOST_PICTURES == 0:
                    self._write_figure()

    def name(self, picture: Picture, number: int) -> str:
        """What the picture of this number, from 1, is called in what is written."""
        return hide_name(picture, number, self._names).name

    def _write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            (self.folder / name).write_bytes(data)

    def _write_figure(self) -> None:
        """The rows that are in no figure yet; without any, only where there would be no figure at all."""
        if self._rows or not self._figures:
            self._figures += 1
            name = "figure.png" if self._figures == 1 else f"figure-{self._figures}.png"
            (self.folder / name).write_bytes(figure(self._rows, self._view, notes=self._notes))
            self._rows = []


def name_overlays(index: int, entry: PictureExplanation, shown: Iterable[str]) -> list[tuple[str, Heatmap]]:
    """A file name for each map of a picture, no two the same, not even where upper and lower case are.

    Args:
        index: the picture's place in the request.
        entry: what was answered of it.
        shown: keys of the maps that can be drawn.
    """
    wanted = set(shown)
    name = entry.picture.name
    start = f"{index + 1:02d}-{make_file_name(name if entry.picture.section else Path(name).stem)}"
    named: dict[str, tuple[str, Heatmap]] = {}
    for heatmap in entry.maps:
        if heatmap.key not in wanted:
            continue
        target = str(heatmap.target)
        layer = make_file_name(heatmap.layer, _LONGEST_NAME - len(heatmap.method) - len(target) - 2)
        name = f"{start}-{make_file_name(heatmap.method)}-{layer}-{target}"
        number = 1
        while (free := name if number == 1 else f"{name}-{number}").casefold() in named:
            number += 1
        named[free.casefold()] = (f"{free}.png", heatmap)
    return list(named.values())


_LONGEST_NAME = 60


def make_file_name(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name as part of a file name: letters, digits, dot, dash and underline; in place of the middle of one that is
    too long stand two dots, because what tells layers apart stands at the end, and what tells pictures apart anywhere.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    if len(plain) > longest:
        start = (longest - 2) // 3
        plain = f"{plain[:start].rstrip('.-')}..{plain[start + 2 - longest :].lstrip('.-')}"
    return plain or "picture"
