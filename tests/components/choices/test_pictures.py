"""What a session has at hand: taking files, showing, removing, and its bounds."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

import components.choices.pictures as pictures
from components.choices.pictures import Tray, count_bytes
from components.session.idle import Holdings
from explain.bundled.pictures import bundled_pictures
from explain.engine.quotas import Quotas
from explain.pictures.decode import decode
from tests.support.dicom_files import make_slice, write


def png(seed: int, side: int = 20) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_first_example_is_shown_at_first() -> None:
    assert Tray().shown == [bundled_pictures()[0].name]


def test_uploads_take_the_place_of_examples_and_join_other_uploads() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(1))])
    assert [tray.own[key].name for key in tray.shown] == ["a.png", "b.png"]
    tray.take([("c.png", png(2))])
    assert [tray.own[key].name for key in tray.shown] == ["a.png", "b.png", "c.png"]


def test_bad_files_cost_a_sentence_and_change_nothing_else() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("bad.png", b"no"), ("empty.png", b"")])
    assert [problem.count("bad.png") + problem.count("empty.png") for problem in tray.problems] == [1, 1]
    assert [tray.own[key].name for key in tray.shown] == ["a.png"]
    tray.take([("worse.png", b"no")])
    assert [tray.own[key].name for key in tray.shown] == ["a.png"]
    tray.take([("b.png", png(1))])
    assert tray.problems == []


def test_only_bad_files_leave_the_example() -> None:
    tray = Tray()
    tray.take([("bad.png", b"no")])
    assert tray.shown == [bundled_pictures()[0].name]


def test_a_reader_that_breaks_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes, name: str) -> None:
        raise ZeroDivisionError("internals")

    monkeypatch.setattr(pictures, "decode", fail)
    tray = Tray()
    tray.take([("a.png", png(0))])
    assert len(tray.problems) == 1
    assert "internals" not in tray.problems[0]


def test_the_same_bytes_are_one_picture() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(0))])
    assert len(tray.own) == len(tray.shown) == 1
    tray.take([("c.png", png(0))])
    assert [tray.own[key].name for key in tray.shown] == ["c.png"]


def test_there_is_room_for_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_PICTURES", "2")
    tray = Tray()
    tray.take([(f"{seed}.png", png(seed)) for seed in range(3)])
    assert len(tray.own) == 2
    assert "2.png" in tray.problems[0]
    tray.remove(tray.shown[0])
    tray.take([("2.png", png(2))])
    assert len(tray.own) == 2
    assert not tray.problems


def test_room_is_counted_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    one = count_bytes([decode(png(0), "a")])
    assert one == 20 * 20 * 3
    monkeypatch.setenv("CAMSCOPE_DECODED_MB", str((one + len(png(0))) * 1.5 / 2**20))  # the file stays too
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(1))])
    assert [picture.name for picture in tray.own.values()] == ["a.png"]


def test_a_picture_has_a_size_that_its_file_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_PICTURE_MB", "0.01")
    monkeypatch.setattr(pictures, "decode", lambda data, name: decode(data, name) if len(data) < 10_000 else 1 / 0)
    tray = Tray()
    tray.take([("large.png", png(0, 80)), ("small.png", png(1))])
    assert [picture.name for picture in tray.own.values()] == ["small.png"]
    assert "“large.png” has 0.01935 MB, and a picture may have 0.01 MB here" in tray.problems[0]


def test_all_sessions_together_have_a_share_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    holdings = Holdings(Quotas(decoded_share=0.5), memory=6000)  # two pictures and a half
    monkeypatch.setattr(pictures, "find_holdings", lambda: holdings)
    one, other = Tray(), Tray()
    for tray in (one, other):
        holdings.touch(tray)
    one.take([("a.png", png(0)), ("b.png", png(1))])
    other.take([("c.png", png(2))])
    assert not other.own
    assert "because the pictures of all who are here take much memory" in other.problems[0]
    one.remove(one.shown[0])
    other.take([("c.png", png(2))])
    assert [picture.name for picture in other.own.values()] == ["c.png"]


def test_what_was_let_go_is_awaited_and_comes_back() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(1))])
    tray.toggle("cat")
    shown = [key for key in tray.shown if key != "cat"]
    tray.let_go(21)
    assert (tray.own, tray.thumbnails, tray.originals, tray.count_bytes()) == ({}, {}, {}, 0)
    assert tray.shown == ["cat"]  # no picture takes the place of another
    assert tray.awaited == shown
    (note,) = tray.notes
    assert note.startswith("2 pictures of yours were taken out of the memory after 21 minutes")
    assert "Upload them again" in note
    tray.take([("a.png", png(0))])
    assert tray.shown == ["cat", shown[0]] or tray.shown == [shown[0]]
    assert tray.awaited == shown[1:]
    tray.let_go(1)
    Tray().let_go(1)  # nothing is said where nothing was


def test_showing_and_removing() -> None:
    tray = Tray()
    first = tray.shown[0]
    tray.take([("a.png", png(0))])
    own = tray.shown[0]
    tray.toggle(first)
    assert tray.shown == [own, first]
    tray.toggle(own)
    assert tray.shown == [first]
    tray.remove(own)
    assert not tray.own
    assert tray.shown == [first]


def test_a_picture_that_a_link_waits_for_takes_its_place() -> None:
    tray = Tray()
    example, wanted = tray.shown[0], [decode(png(seed), "").digest for seed in (1, 2)]
    tray.awaited = list(wanted)
    tray.take([("other.png", png(3))])
    assert "other.png" in tray.problems[0]
    assert "differs" in tray.problems[0]
    assert tray.awaited == wanted
    tray = Tray(awaited=list(wanted))
    tray.take([("one.png", png(1))])
    assert not tray.problems
    assert tray.awaited == wanted[1:]
    assert tray.shown == [example, wanted[0]]
    tray.take([("two.png", png(2))])
    assert tray.awaited == []
    assert tray.shown == [example, *wanted]
    tray.take([("own.png", png(4))])
    assert not tray.problems
    assert example not in tray.shown


def test_whoever_chooses_another_picture_waits_no_longer() -> None:
    tray = Tray(awaited=["ab" * 32])
    tray.show_only(bundled_pictures()[1].name)
    assert tray.awaited == []


def scan() -> bytes:
    return Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()


def test_the_name_of_a_dicom_file_is_hidden_unless_it_is_asked_for() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("DOE_JOHN.dcm", scan())])
    digest = tray.shown[1]
    assert [tray.name(key, "auto") for key in tray.shown] == ["a.png", f"Picture 2 · {digest[:6]}"]
    assert [tray.name(key, "shown") for key in tray.shown] == ["a.png", "DOE_JOHN.dcm"]
    assert [tray.name(key, "hidden")[:9] for key in tray.shown] == ["Picture 1", "Picture 2"]


def test_a_number_once_given_stays_with_its_picture() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(1))])
    first, second = tray.shown
    tray.remove(first)
    tray.take([("c.png", png(2))])
    assert tray.name(second, "hidden").startswith("Picture 2")
    assert tray.name(tray.shown[-1], "hidden").startswith("Picture 3")


def test_a_refused_file_whose_name_is_hidden_is_not_named() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("DOE_JOHN.dcm", scan()[:3000])])
    assert "DOE" not in tray.problems[0] and tray.problems[0].startswith("“File 2”")
    tray.take([("DOE_JOHN.png", b"no")], "hidden")
    assert "DOE" not in tray.problems[0]


def test_what_is_here_already_is_said() -> None:
    tray = Tray()
    tray.take([("a.png", png(0)), ("b.png", png(0))])
    assert tray.notes == ["“b.png” is here already as “a.png”: it is the same picture."] and not tray.problems
    tray.take([("b.png", png(0))])
    assert tray.notes == ["“b.png” is here already."]
    tray.take([("c.png", png(1))])
    assert tray.notes == []


def test_a_zip_is_told_where_to_go() -> None:
    tray = Tray()
    tray.take([("birds.zip", b"PK\x03\x04" + bytes(40))])
    assert "Unpack it" in tray.problems[0] and "Studio" in tray.problems[0]


def test_an_upload_that_is_announced_once_more_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [SimpleNamespace(file_id="1", name="a.png", getvalue=lambda: png(0))]
    files.append(SimpleNamespace(file_id="2", name="bad.png", getvalue=lambda: b"no"))
    monkeypatch.setattr(pictures.st, "session_state", {"upload-0": files, "upload-1": []})
    for _ in range(2):
        pictures._take_uploads("upload-0")
    tray = pictures.get_tray()
    assert (len(tray.own), len(tray.problems), tray.notes, tray.uploads) == (1, 1, [], 1)
    again = SimpleNamespace(file_id="3", name="a.png", getvalue=lambda: png(0))
    pictures.st.session_state["upload-1"] = [again]
    pictures._take_uploads("upload-1")
    assert tray.notes == ["“a.png” is here already."] and tray.uploads == 2, "given once more, it is said"
    pictures._choose_names("hidden")
    assert pictures.get_names() == "hidden" and not tray.problems and not tray.notes, "sentences say names too"


def test_the_files_of_dicom_pictures_stay_as_long_as_those() -> None:
    tray, data = Tray(), write(make_slice(np.zeros((8, 8), np.int16)))
    tray.take([("scan.dcm", data)])
    (digest,) = tray.own
    assert tray.originals == {digest: data}
    tray.remove(digest)
    assert tray.originals == {}
