"""What a network of volumes answers, as files: its maps for hospitals, and its slices for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explain.engine.explanation import Explanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings, value_range
from explain.methods import get_method
from explain.report.export import make_file_name
from explain.report.scans.dicom import DicomWriter, Originals
from explain.report.scans.gathering import place_volume_map
from explain.report.scans.nifti import encode_nifti
from explain.report.scans.writing import ScanKind
from explain.volumes.planes import PLANES


def export_volume(
    answer: VolumeExplanation,
    kinds: Sequence[ScanKind],
    originals: Originals | None = None,
    for_archive: bool = False,
    view: RenderSettings | None = None,
    window: str | None = None,
) -> dict[str, bytes]:
    """The maps of a whole volume in the forms that hospitals use, by file name: as DICOM a Parametric Map each, and a
    Secondary Capture of it in each plane, through the peak of the first one.

    Args:
        answer: what the engine answered.
        kinds: as what.
        originals: for DICOM, the files that the volume comes from; see `explain.report.scans.writing.list_originals`.
        for_archive: whether DICOM objects name patient and study; by default they do not.
        view: how maps are drawn on captures.
        window: through which window slices are shown on them; see `Volume.slice`.

    Raises:
        ExplainError: there are no maps, nobody knows where they lie, or a DICOM object cannot be made.
    """
    if not answer.maps:
        raise ExplainError("There is nothing to export: no map was made. Explain the volume first.")
    placed = [place_volume_map(one) for one in answer.maps]
    if None in placed:
        raise ExplainError(
            f"Nobody knows where in a patient “{answer.volume.name}” lies, or its maps hold no numbers: they cannot be "
            "exported."
        )
    files: dict[str, bytes] = {}
    writer = DicomWriter(answer.model, originals or {}, for_archive, view) if "dicom" in kinds else None
    for scan in filter(None, placed):
        heatmap = scan.heatmap
        name = f"volume-{make_file_name(heatmap.method)}-{make_file_name(heatmap.layer)}-{heatmap.target}"
        if "nifti" in kinds:
            files[f"{name}.nii.gz"] = encode_nifti(scan.values, scan.affine)
        if writer is not None:
            files[f"{name}.map.dcm"] = writer.write_map(scan)
    if writer is not None:
        cuts, ends = lay_out(answer, window), find_ends(answer, view or RenderSettings())
        for entry in cuts.pictures:
            section = entry.picture.section
            assert section is not None
            for cut in entry.maps:
                name = f"{section.plane}-{section.index + 1}-{make_file_name(cut.method)}-{make_file_name(cut.layer)}"
                files[f"{name}-{cut.target}.capture.dcm"] = writer.write_capture(entry, cut, ends[cut.key])
    return files


def lay_out(answer: VolumeExplanation, window: str | None = None) -> Explanation:
    """The answer as that to the slices through the peak of its first map, one in each plane that the volume has.

    Args:
        answer: what the engine answered, with a map.
        window: through which window the slices are shown.
    """
    volume, peak = answer.volume, answer.maps[0].peak_voxel
    planes = [plane for plane in PLANES[1:] if not volume.planes[plane]] or ["stack"]
    slices = [volume.slice(volume.find_point(plane, peak)[0], plane, window) for plane in planes]
    entries = tuple(answer.lay_on(picture) for picture in slices)
    return Explanation(answer.model, entries, answer.score, device=answer.device)


def find_ends(answer: VolumeExplanation, view: RenderSettings) -> Mapping[str, tuple[float, float]]:
    """Lowest and highest value shown of each map, by its key: the same on all of its slices."""
    return {
        one.key: value_range([one.values], view.signed, get_method(one.heatmap.method).painting) for one in answer.maps
    }
