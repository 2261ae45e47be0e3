"""“Explain all” on Compare: what is sent and said before, how a run is followed, and what it leaves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from components.collections.kept import describe_keeping
from components.collections.sending import BEGINNING, Beginning, list_own
from components.collections.views import KNOWN, RUN, SENT
from explain.collections import page_run
from explain.collections.pace import Pace
from explain.collections.page_run import FOLDER, PageRun, Pulse
from explain.pictures.decode import decode
from explain.pictures.picture import Section
from explain.storage import VARIABLE
from explain.training.process_lock import take_lock
from tests.support.collection_runs import make_png, write_run
from tests.support.dicom_files import make_slice, write


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, BinaryIO]]:
    """By token, the locks that the processes of runs would hold; none is started."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    held: dict[str, BinaryIO] = {}

    def launch(module: str, folder: Path, *_: object) -> None:
        lock = take_lock(folder / "alive")
        assert lock is not None
        held[folder.name] = lock

    monkeypatch.setattr(page_run, "launch", launch)
    yield held
    for lock in held.values():
        lock.close()


def say(dashboard: Any) -> str:
    return "\n".join([dashboard.sentences, *(str(element.value) for element in dashboard.test.markdown)])


def find_buttons(dashboard: Any) -> dict[str, Any]:
    return {str(button.key): button for button in dashboard.test.button if str(button.key).startswith("explain-all")}


def look_again(dashboard: Any) -> dict[str, Any]:
    """As the page does by itself while it follows a run."""
    dashboard.open("explain-all")
    return find_buttons(dashboard)


def begin(dashboard: Any) -> PageRun:
    """Press the button, and wait until the run is there."""
    look_again(dashboard)["explain-all-start"].click()
    dashboard.open("explain-all")
    if BEGINNING in dashboard.test.session_state:
        dashboard.test.session_state[BEGINNING].result()
        dashboard.open("explain-all")
    run = PageRun.find(dashboard.test.session_state[SENT])
    assert run is not None
    return run


def test_a_run_is_asked_for_followed_stopped_and_deleted(
    tmp_path: Path, locks: dict[str, BinaryIO], open_dashboard: Callable[..., Any]
) -> None:
    dashboard = open_dashboard()
    assert "explain-all-start" not in look_again(dashboard)
    assert "None of your own pictures is here" in say(dashboard)
    dashboard.upload(("one.png", make_png(0)))
    assert "explain-all-start" not in look_again(dashboard)
    assert "One picture alone is explained above already" in say(dashboard)
    dashboard.upload(("two.png", make_png(1)))
    assert find_buttons(dashboard) == {} and not (tmp_path / FOLDER).exists()
    assert look_again(dashboard)["explain-all-start"].label == "Explain all 2"
    assert describe_keeping("auto", keep=True) in say(dashboard) and not (tmp_path / FOLDER).exists()

    run = begin(dashboard)
    order = run.read_errand().order
    assert (order.methods, order.layer, order.target) == (("grad-cam", "eigen-cam", "cf-cam"), "stages.1", "auto")
    assert order.settings["cf-cam"]["eps"] and order.model.name == "photo-cnn" and not order.verdicts
    assert dashboard.words["explaining"] == run.token == dashboard.test.session_state[KNOWN][0]
    Pulse(pace=Pace(2, 1, 0, 4.0, 0.25, "Explaining")).write(run.pulse)
    assert list(look_again(dashboard)) == ["explain-all-stop"]
    assert "1 of 2 pictures, 4 a second, 0 s left" in say(dashboard)
    reloaded = open_dashboard({"explaining": run.token})
    assert list(find_buttons(reloaded)) == ["explain-all-stop"] and "1 of 2 pictures" in say(reloaded)
    find_buttons(reloaded)["explain-all-stop"].click().run()
    assert run.cancelling.exists() and find_buttons(reloaded)["explain-all-stop"].disabled

    Pulse("cancelled", Pace(2, 1)).write(run.pulse)
    locks[run.token].close()
    assert list(look_again(reloaded)) == [
        *("explain-all-resume", "explain-all-others", "explain-all-delete-sure"),
    ]
    assert "No picture was explained yet" in say(reloaded) and "kept in CAMscope's data folder" in say(reloaded)
    find_buttons(reloaded)["explain-all-resume"].click()
    assert "explain-all-stop" in look_again(reloaded) and not run.cancelling.exists()
    Pulse("failed", message="The disk is full.").write(run.pulse)
    locks[run.token].close()
    look_again(reloaded)
    assert "The disk is full." in say(reloaded).replace("\\", "")
    find_buttons(reloaded)["explain-all-delete-sure"].click()
    look_again(reloaded)
    assert "are deleted" in reloaded.test.success[0].value and not run.folder.exists()
    assert "explaining" not in reloaded.words
    look_again(dashboard)
    assert "There is no collection at this address any more" in say(dashboard)


def test_what_is_done_is_opened_by_its_token_alone(
    locks: dict[str, BinaryIO], open_dashboard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = open_dashboard()
    dashboard.upload(("one.png", make_png(0)), ("two.png", make_png(1)))
    run = begin(dashboard)
    assert "explain-all-stop" in look_again(dashboard)
    write_run(run.result.path, 5)
    Pulse("done", Pace(5, 5)).write(run.pulse)
    locks[run.token].close()
    gone: list[str] = []
    monkeypatch.setattr("components.collections.explain_all.open_page", gone.append)
    look_again(dashboard)
    assert gone == ["collection"] and dashboard.test.session_state[RUN] == run.token
    look_again(dashboard)
    assert "4 of 5 pictures were explained. Not explained: It is broken" in say(dashboard).replace("\\", "")
    others = open_dashboard({}, "collection")
    assert "There is no run yet" in say(others)
    owner = open_dashboard({"collection": run.token}, "collection")
    assert "**4** of 5 pictures" in say(owner) and "for 14 days" in say(owner)
    owner.test.button(key="collection-delete-sure").click().run()
    assert not run.folder.exists() and "collection" not in owner.words
    late = open_dashboard({"collection": run.token}, "collection")
    assert "There is no collection at this address any more" in say(late)


def test_a_start_that_is_refused_is_said(
    locks: dict[str, BinaryIO], open_dashboard: Callable[..., Any], tmp_path: Path
) -> None:
    dashboard = open_dashboard()
    dashboard.upload(("one.png", make_png(0)), ("two.png", make_png(1)))
    busy = []
    for number in range(page_run.MOST_AT_ONCE):
        (tmp_path / FOLDER / str(number)).mkdir(parents=True)
        busy.append(take_lock(tmp_path / FOLDER / str(number) / "alive"))
    look_again(dashboard)["explain-all-start"].click()
    dashboard.open("explain-all")
    if BEGINNING in dashboard.test.session_state:
        assert dashboard.test.session_state[BEGINNING].wait(30)
        dashboard.open("explain-all")
    assert "2 collections are being explained on this machine already" in say(dashboard)
    for lock in busy:
        assert lock is not None
        lock.close()


def test_a_zip_of_pictures_is_told_where_to_go(open_dashboard: Callable[..., Any]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", make_png(0))
    dashboard = open_dashboard()
    dashboard.upload(("many.zip", stream.getvalue()))
    assert "A zip of pictures goes to *Explain all*, below the maps on Compare." in say(dashboard)


def test_pictures_without_a_file_are_sent_where_one_holds_all_of_them() -> None:
    photo, scan = decode(make_png(0), "a.png"), decode(write(make_slice(np.zeros((8, 8), np.int16))), "DOE")
    drawn = replace(photo, name="phantom 1", digest="drawn")
    cut = replace(photo, digest="cut", section=Section("v", "stack", 0, ""))
    deep = replace(scan, digest="deep")
    sending, left = list_own([photo, scan, drawn, cut, deep], {photo.digest: make_png(0), scan.digest: b"scan"})
    assert left == 2 and [file.parts for file in sending.files] == [("a.png",), ("DOE",), ("phantom 1.png",)]
    assert sending.files[1].read() == b"scan"
    assert (decode(sending.files[2].read(), "").pixels == photo.pixels).all()


def test_a_start_that_nobody_looks_at_is_given_up() -> None:
    beginning = Beginning(lambda work: None)  # type: ignore[arg-type,return-value]
    beginning.tell(0.5, "Putting picture 1 aside")
    assert not beginning.cancel.is_set() and beginning.progress == (0.5, "Putting picture 1 aside")
    beginning.seen -= 60
    beginning.tell(0.6, "")
    assert beginning.cancel.is_set()


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_kept_is_said_for_all_names(keep: bool) -> None:
    said = [describe_keeping(names, keep) for names in ("auto", "hidden", "shown")]
    assert len(set(said)) == 3 and all("14 days" in one and "press Delete" in one for one in said)
    assert ("deleted as soon as it is over" in said[0]) != keep
