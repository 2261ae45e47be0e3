"""What stands on the page: every fact once, in words, and nothing of a patient."""

from dataclasses import replace

import pytest

from explain.bundled.models import MODELS_FOLDER, bundled_models, find_bundled_model
from explain.engine.explanation import Explanation
from explain.errors import ExplainError, PictureError
from explain.faithfulness.unlike import SENTENCE, Unlikeness
from explain.models.request import ModelRequest
from explain.pictures.picture import Placement
from explain.report.one_page.content import UNKNOWN_ACCURACY, UNKNOWN_TRAINING, Said
from tests.explain.report.one_page.conftest import BACKED, describe
from tests.support.dicom_files import find_secrets


def test_the_slice_is_told_in_words(scan: Explanation) -> None:
    page = describe(scan)
    facts = dict(page.picture)
    # 48 columns of 0.5 mm lie along the other axis: a sagittal slice has 40 rows of the stack across, 8 slices down.
    assert facts["What it is"] == "A slice of a CT scan, 40 × 80 pixels, 20 × 40 mm."
    assert "Slice 21 of 48, sagittal." in facts["How it was read"]
    assert {pane.edges for pane in page.panes} == {("H", "P", "F", "A")}
    assert [None if pane.scale is None else pane.scale.millimetres for pane in page.panes] == [5, None, None]
    assert page.name == "CT, 8 slices, sagittal 21"
    assert "The model saw this slice alone" in " ".join(
        said.sentence for said in dict(page.sections)["What no map says"]
    )


def test_verdicts_stand_there_as_they_were_made_and_once(scan: Explanation) -> None:
    page = describe(scan)
    assert [pane.verdict for pane in page.panes] == ["", "◆ backed", "◆ backed"]
    measured = dict(page.sections)["What was measured of the maps"]
    assert measured == (
        Said(BACKED.sentence, "Grad-CAM and Eigen-CAM", "◆ backed"),
        Said("whether it is steady.", "Grad-CAM", "– not measured"),
    )
    entry = replace(scan.pictures[0], verdicts={})
    unmeasured = dict(describe(replace(scan, pictures=(entry,))).sections)["What was measured of the maps"]
    assert unmeasured[0].sentence.startswith("Not checked: ")


def test_a_picture_unlike_the_others_begins_with_that(scan: Explanation) -> None:
    assert describe(scan).cautions == ()
    entry = replace(scan.pictures[0], unlike=Unlikeness(2.0, (0.0,), 1.0), caution="It knows no CT slices.")
    assert describe(replace(scan, pictures=(entry,))).cautions == (SENTENCE, "It knows no CT slices.")
    same = replace(entry, caution=SENTENCE)
    assert describe(replace(scan, pictures=(same,))).cautions == (SENTENCE,)


def test_the_model_is_told_by_its_card(scan: Explanation) -> None:
    facts = dict(describe(scan).model)
    assert facts["Learned from"].startswith("timm's cnn of the Hugging Face hub")
    assert facts["Accuracy"] == f"N{UNKNOWN_ACCURACY[1:]}."
    for source, learned in (("file", UNKNOWN_TRAINING), ("bundled", "1,874 contrast-enhanced T1 slices")):
        model = replace(scan.model, request=ModelRequest(source=source, name="scan-mri"))  # type: ignore[arg-type]
        facts = dict(describe(replace(scan, model=model)).model)
        assert facts["Learned from"].startswith(learned)
    assert facts["Accuracy"] == "Right on 93.7 % of its 600 test pictures." and "healthy brain" in facts["Limits"]


def test_what_the_page_says_of_bundled_models_stands_in_their_cards() -> None:
    named = [model for model in bundled_models() if model.learned]
    assert {"imagenet-cnn", "photo-cnn", "birds-vit", "scan-mri", "chest-xray"} <= {model.name for model in named}
    for model in named:
        card = (MODELS_FOLDER / model.card).read_text(encoding="utf-8")
        beside = (MODELS_FOLDER / "scan-mri.md").read_text(encoding="utf-8") if model.name == "scan-mri-tumour" else ""
        said = " ".join([model.learned, *model.limits, model.measured]).replace("%", "")
        numbers = {word.strip(".,;:()") for word in said.split() if any(letter.isdigit() for letter in word)}
        # Words with digits that are names.
        numbers -= {"T1", "CIFAR-10", "ChestX-ray8"}
        assert [number for number in numbers if number not in card + beside] == []
        assert model.limits and (model.describe_accuracy() or model.measured)
    assert find_bundled_model("imagenet-cnn").measured  # type: ignore[union-attr]


def test_maps_of_layers_and_classes_are_named(photo: Explanation) -> None:
    page = describe(photo)
    titles = [pane.title for pane in page.panes]
    assert len(titles) == len(set(titles)) == 9 and titles[0] == "The picture"
    assert all("Grad-CAM · " in title or "Eigen-CAM · " in title for title in titles[1:])
    known = dict(page.sections)["What else to know"]
    assert any(said.maps == "Prompt-CAM" and said.sentence.startswith("No map: ") for said in known)
    assert known[-1].maps == "Agreement" and known[-1].sentence.startswith("Most alike: ")
    assert page.explained == "The maps are for “tabby cat” and “tiger cat”."
    assert sum(answer.explained for answer in page.answers) == 2


def test_more_maps_than_fit_are_counted(photo: Explanation) -> None:
    entry = photo.pictures[0]
    twice = replace(entry, maps=(*entry.maps, replace(entry.maps[0], layer="another")))
    page = describe(replace(photo, pictures=(twice,)))
    assert len(page.panes) == 9
    assert "Of 9 maps the first 8 are shown" in dict(page.sections)["What else to know"][-2].sentence


def test_regions_are_outlined_and_shared(photo: Explanation) -> None:
    page = describe(photo, {"all of it": (0.0, 0.0, 50.0, 40.0), "a corner": [(0, 0), (10, 0), (0, 10)]})
    assert {len(pane.rings) for pane in page.panes} == {2} and "Outlined" in page.legend
    for pane in page.panes[1:]:
        assert pane.shares[0] in ("100 % in “all of it”", "nothing to share in “all of it”")
    with pytest.raises(PictureError, match="holds no pixel"):
        describe(photo, {"outside": (90.0, 90.0, 99.0, 99.0)})


def test_a_report_of_nothing_is_refused(photo: Explanation) -> None:
    entry = replace(photo.pictures[0], maps=())
    with pytest.raises(ExplainError, match=r"There is nothing to report of .*: no map was made\. Prompt-CAM needs"):
        describe(replace(photo, pictures=(entry,)))


def test_nothing_of_the_patient_is_on_the_page(scan: Explanation) -> None:
    page = describe(scan)
    assert find_secrets(page.name, page.picture, page.model, page.sections, page.proof, page.command) == []
    assert dict(page.proof)["Series (SHA-256)"] == scan.pictures[0].picture.section.volume  # type: ignore[union-attr]


def test_a_radiographs_scale_is_that_of_its_detector(photo: Explanation) -> None:
    picture = replace(photo.pictures[0].picture, modality="DX", placement=Placement((2.0, 2.0), at_detector=True))
    page = describe(replace(photo, pictures=(replace(photo.pictures[0], picture=picture),)))
    assert dict(page.picture)["What it is"] == "A medical picture (DX), 50 × 40 pixels, 100 × 80 mm at the detector."
    assert dict(page.picture)["Sides"] == "Left and right are not known."
    assert page.legend.endswith("20 mm long at the detector; in the patient it is less.")
