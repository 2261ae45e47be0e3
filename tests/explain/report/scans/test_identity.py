"""What derived objects take over: nothing that is not named here, or all that an archive files by."""

import io

import pydicom
import pytest
from pydicom.dataset import Dataset

from explain.errors import ExplainError
from explain.report.scans.identity import Identity, find_lack
from tests.explain.report.scans.conftest import DATES
from tests.support.dicom_files import SECRETS, find_secrets, make_enhanced, make_series, make_slice, ramp, write

STORED = ramp(1)[0]


def test_without_identity_only_what_is_named_stays() -> None:
    source = make_slice(STORED, PixelSpacing=[1, 2], **DATES)
    source.add_new(0x00091010, "LO", "Doe^Jane")
    kept = Identity(for_archive=False).read(write(source))
    assert find_secrets(kept) == [] and not any(
        value in repr(kept) for value in (*DATES.values(), source.SOPInstanceUID)
    )
    assert kept.PixelSpacing == [1, 2] and kept.PatientName == "" and kept.StudyDate == ""
    assert not any(element.tag.is_private for element in kept)


def test_an_identifier_is_replaced_by_the_same_one_throughout() -> None:
    identity = Identity(for_archive=False)
    one, other = (identity.read(write(make_slice(STORED, **DATES))) for _ in range(2))
    assert one.StudyInstanceUID == other.StudyInstanceUID != DATES["StudyInstanceUID"]
    assert one.FrameOfReferenceUID == other.FrameOfReferenceUID and one.SOPInstanceUID != other.SOPInstanceUID
    assert Identity(for_archive=False).read(write(make_slice(STORED, **DATES))).StudyInstanceUID != one.StudyInstanceUID


def test_of_many_frames_only_their_places_stay() -> None:
    frame = {
        "PlanePositionSequence": {"ImagePositionPatient": [1, 2, 3]},
        "FrameContentSequence": {"FrameComments": "Doe^Jane"},
    }
    kept = Identity(for_archive=False).read(write(make_enhanced(ramp(2), [frame, frame])))
    groups = kept.PerFrameFunctionalGroupsSequence
    assert len(groups) == 2 and groups[0].PlanePositionSequence[0].ImagePositionPatient == [1, 2, 3]
    assert find_secrets(kept) == [] and "FrameContentSequence" not in groups[0]


def test_for_the_archive_what_may_be_empty_is_added_on_a_copy() -> None:
    source = make_slice(STORED, **DATES, PatientSex="X")
    del source.PatientBirthDate
    identity, data = Identity(for_archive=True), write(source)
    kept = identity.read(data)
    assert kept.PatientID == SECRETS[1] and kept.PatientBirthDate == kept.PatientSex == ""
    assert kept.StudyInstanceUID == DATES["StudyInstanceUID"]
    assert "PatientBirthDate" not in pydicom.dcmread(io.BytesIO(data))
    made = Dataset()
    made.StudyInstanceUID = kept.StudyInstanceUID
    identity.sign(made)
    assert made.PatientName == SECRETS[0] and "PatientIdentityRemoved" not in made


def test_names_in_letters_of_their_own_are_kept() -> None:
    source = make_slice(STORED, **DATES, SpecificCharacterSet="ISO_IR 100")
    source.PatientName = "Müller^Grün"
    identity = Identity(for_archive=True)
    made = Dataset()
    made.StudyInstanceUID, made.SpecificCharacterSet = identity.read(write(source)).StudyInstanceUID, "ISO_IR 192"
    identity.sign(made)
    assert str(made.PatientName) == "Müller^Grün"


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SOPInstanceUID", "SeriesInstanceUID"])
def test_what_cannot_be_filed_is_refused_in_a_sentence(missing: str) -> None:
    source = make_slice(STORED, **DATES)
    if missing == "SOPInstanceUID":
        source.SOPInstanceUID = ""
    else:
        delattr(source, missing)
    data = write(source)
    with pytest.raises(ExplainError, match=f"The study lacks what a DICOM object is filed by: {missing}") as refused:
        Identity(for_archive=True).read(data)
    assert find_secrets(str(refused.value)) == []
    assert Identity(for_archive=False).read(data).StudyInstanceUID


def test_what_is_lacking_is_said_before_anything_is_made() -> None:
    (slice_,) = make_series(ramp(1), **DATES)
    assert find_lack(write(slice_), for_archive=True, has_place=True) == ""
    del slice_.StudyInstanceUID
    assert find_lack(write(slice_), for_archive=False, has_place=True) == ""
    assert "filed by: StudyInstanceUID" in find_lack(write(slice_), for_archive=True, has_place=True)
    del slice_.FrameOfReferenceUID
    assert "FrameOfReferenceUID" in find_lack(write(slice_), for_archive=False, has_place=True)
    assert find_lack(write(slice_), for_archive=False, has_place=False) == ""
