"""The page of a volume: its planes in rows, with one scale for each map, and nothing of the patient."""

from dataclasses import replace

import pytest

from explain import save_report
from explain.engine.whole_volumes import SELDOM, VolumeExplanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.report.one_page.volume import describe_volume_page
from explain.report.one_page.writing import encode_report
from tests.support.dicom_files import SECRETS, find_secrets


def test_its_planes_stand_in_rows(volume_answer: VolumeExplanation) -> None:
    page = describe_volume_page(volume_answer, RenderSettings())
    assert page.columns == 3 and len(page.panes) == 9
    titles = [pane.title.partition(" ")[0] for pane in page.panes]
    assert titles[::3] == ["Axial", "Coronal", "Sagittal"] and titles[1::3] == ["Grad-CAM"] * 3
    assert [pane.edges for pane in page.panes[::3]] == [tuple("ALPR"), tuple("HLFR"), tuple("HPFA")]
    for first in (1, 2):
        bars = [pane.bar.labels for pane in page.panes[first::3] if pane.bar is not None]
        assert len(bars) == 3 and len(set(bars)) == 1, "one scale for all planes"
    assert dict(page.picture)["What it is"] == "A CT scan, 8 slices of 48 × 40 voxels, 40 × 20 × 24 mm."
    known = dict(page.sections)["What else to know"]
    assert any(said.sentence == SELDOM for said in known)
    assert "--slice" not in page.command[0] and "--methods grad-cam,hires-cam" in page.command[0]
    assert page.command[1].startswith("The model was handed over in Python")
    assert find_secrets(page.name, page.picture, page.model, page.sections, page.proof, page.command) == []


def test_what_is_wrong_with_the_volume_is_read_first(volume_answer: VolumeExplanation) -> None:
    said = "It is much smaller than what the model learned from."
    odd = replace(volume_answer, cautions=(said,), notes=(said, SELDOM))
    page = describe_volume_page(odd, RenderSettings())
    assert page.cautions == (said,)
    assert [one.sentence for one in dict(page.sections)["What else to know"]].count(said) == 0


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_it_is_written_as_any_other(volume_answer: VolumeExplanation, kind: str) -> None:
    data = encode_report(volume_answer, kind)  # type: ignore[arg-type]
    assert not [secret for secret in SECRETS if secret.encode() in data] and len(data) > 10_000


def test_a_volume_without_a_map_is_refused(volume_answer: VolumeExplanation) -> None:
    nothing = replace(volume_answer, maps=(), unavailable={"cam": "It has no such head."})
    with pytest.raises(ExplainError, match=r"nothing to report of .*: no map was made\. It has no such head\."):
        save_report(nothing, "report.pdf")
