"""`show --report --export`: what is written beside the folder, and what is refused before anything is explained."""

import io
from collections.abc import Callable
from pathlib import Path

import pydicom
import pypdfium2
import pytest

from explain import Engine
from explain.commands.taking_away import TakeAway
from explain.maps.render import RenderSettings
from explain.volumes.reading import read_volumes
from tests.support.dicom_files import SECRETS, make_series, ramp, write
from tests.support.volume_network import load_network

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CT whose files name a patient."""
    folder = tmp_path_factory.mktemp("Doe^Jane")
    for number, one in enumerate(make_series(ramp(6, 40, 48), StudyInstanceUID="1.2.3.4")):
        (folder / f"Doe^Jane {number}.dcm").write_bytes(write(one))
    return folder


def test_a_slice_is_taken_away_without_a_name(run: Run, series: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "reports" / "one.pdf"
    line = f"show '{series}' --slice 3 --model photo-cnn --methods grad-cam --out '{out}' --report '{report}'"
    status, printed, _ = run(f"{line} --export nifti,dicom")
    assert status == 0 and f"the report to {report}" in printed
    written = {path.name.partition("-grad")[0]: path for path in out.iterdir() if "grad-cam" in path.name}
    assert {path.suffix for path in written.values()} <= {".png", ".gz", ".dcm"} and len(list(out.glob("*.dcm"))) == 2
    for path in (*out.iterdir(), report):
        assert not [secret for secret in (*SECRETS, "1.2.3.4") if secret.encode() in path.read_bytes()], path.name
    (page,) = pypdfium2.PdfDocument(report.read_bytes())
    assert "CT, 6 slices, no. 3" in page.get_textpage().get_text_range()


def test_a_stack_has_its_surest_slice_and_its_strip_on_paper_and_all_maps_as_one(
    run: Run, series: Path, tmp_path: Path
) -> None:
    out, report = tmp_path / "out", tmp_path / "one.html"
    line = f"show '{series}' --stack --model photo-cnn --methods grad-cam --out '{out}' --report '{report}'"
    assert run(f"{line} --export dicom --for-archive")[0] == 0
    written = report.read_text()
    assert written.count("<article") == 1 and "Of 6 slices it is the one on which the class is surest" in written
    assert "The whole series: CT, 6 slices" in written and written.count("<figure>") == 2 + 4 * 2
    assert sorted(path.name for path in out.glob("01-*.png")) == ["01-CT-6-slices-no.-1-grad-cam-stages.1-0.png"]
    (made,) = out.glob("*.map.dcm")
    dataset = pydicom.dcmread(io.BytesIO(made.read_bytes()))
    assert made.name.startswith("slice-1-to-6-") and dataset.NumberOfFrames == 6
    assert dataset.PatientName == SECRETS[0] and dataset.SeriesDescription.endswith("for the archive")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--report report.docx", "ends in neither"),
        ("--export stl", "Maps are exported as nifti or dicom"),
        ("--export nifti", "NIfTI files are made of slices of a series"),
        ("--for-archive", "--for-archive is about DICOM files"),
    ],
)
def test_what_cannot_be_taken_away_is_refused_first(run: Run, tmp_path: Path, flags: str, said: str) -> None:
    status, printed, errors = run(f"show assets/pictures/cat.jpg --out '{tmp_path / 'out'}' {flags}")
    assert status == 2 and said in errors and printed == "" and not (tmp_path / "out").exists()


def test_a_picture_of_no_dicom_file_is_refused_as_one(run: Run, tmp_path: Path) -> None:
    line = f"show assets/pictures/cat.jpg --model photo-cnn --methods grad-cam --out '{tmp_path / 'out'}'"
    status, _, errors = run(f"{line} --export dicom")
    assert status == 2 and "is of no DICOM file" in errors


def test_a_volume_explained_whole_is_taken_away_too(tmp_path: Path) -> None:
    engine = Engine("cpu")
    volume = read_volumes([write(one) for one in make_series(ramp(8, 40, 48))]).series[0].open()
    answer = engine.explain_volume(volume, load_network(engine), "grad-cam")
    report = tmp_path / "volume.html"
    asked = TakeAway.ask(report, "nifti,dicom", False, RenderSettings(), volume, False)
    assert asked.write_volume(answer, tmp_path / "out") == f", the report to {report}"
    names = {path.name.split(".", 1)[1] for path in (tmp_path / "out").iterdir()}
    assert names == {"nii.gz", "map.dcm", "capture.dcm"} and "CT, 8 slices" in report.read_text()
    for path in (*(tmp_path / "out").iterdir(), report):
        assert not [secret for secret in SECRETS if secret.encode() in path.read_bytes()]
