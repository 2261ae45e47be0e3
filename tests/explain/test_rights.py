"""Who may do what: everything where nobody logs in, nothing for nobody, and each right is asked for where it counts."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from explain.bundled.models import EXAMPLE_SERIES, EXAMPLE_VOLUMES
from explain.collections.page_run import PageRun
from explain.collections.question import Order
from explain.collections.run import collect
from explain.collections.runs import list_runs
from explain.engine.shelf import Shelf
from explain.errors import ModelError, RightsError, StorageError
from explain.models.given_files import gather_files
from explain.models.load import pin_request
from explain.models.prompt_library import delete_prompts, take_prompts
from explain.models.recipes import remember_recipe
from explain.models.request import ModelRequest
from explain.pictures.decode import decode
from explain.rights import NOBODY, Actor, Right, acting_for, find_actor, for_actor, may, need, record
from explain.storage import VARIABLE, find_data_folder, find_shared_folder, list_data_folders
from explain.training.run import TrainingRun
from explain.volumes.reading import read_volumes
from tests.support.people import asking, make_actor

ANY: Any = None  # what is refused is not looked at
FILE = ModelRequest(source="file", name="own.pth", digest="0" * 64)

CALLS: dict[Right, list[Callable[[], object]]] = {
    "scans": [
        lambda: decode(bytes(128) + b"DICM", "scan"),
        lambda: read_volumes([EXAMPLE_SERIES.read_bytes(), bytes(128) + b"DICM"]),
    ],
    "prompts": [lambda: delete_prompts("mine"), lambda: take_prompts(b"")],
    "train": [
        lambda: TrainingRun.start(ANY, ANY, ANY, "mine"),
        lambda: TrainingRun("token").resume(),
    ],
    "models": [
        lambda: gather_files([("own.pth", b"")]),
        lambda: remember_recipe("0" * 64, {}),
        lambda: Shelf(1, lambda: "cpu").load(FILE, b""),
        lambda: Shelf(1, lambda: "cpu").load(ModelRequest(source="hub", name="resnet10t.c3_in1k")),
        lambda: Shelf(1, lambda: "cpu").load(ModelRequest(source="hub", name="torchvision/r3d_18")),
    ],
    "collections": [
        list_runs,
        lambda: collect(cast(Order, ANY)),
        lambda: PageRun.start(ANY, ANY, "auto", ANY),
        lambda: PageRun("token").resume(),
    ],
}
"""By right, the calls that need it. The audit log's are with its own tests."""


def test_on_a_laptop_everything_is_allowed() -> None:
    assert find_actor() is None
    for right in get_args(Right):
        need(right)
    assert find_data_folder() == find_shared_folder()


def test_nobody_may_do_anything() -> None:
    with asking(None):
        assert find_actor() is NOBODY
        assert not any(may(right) for right in get_args(Right))
        with pytest.raises(StorageError, match="not logged in"):
            find_data_folder()


@pytest.mark.parametrize("right", CALLS)
def test_each_call_asks_for_its_right(right: Right, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))  # nothing was ever fetched
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    others = [other for other in get_args(Right) if other != right]
    with asking(make_actor(*others)):
        for call in CALLS[right]:
            with pytest.raises(RightsError, match="Your role here does not let you"):
                call()
    with asking(make_actor(right)):
        need(right)


def test_the_example_series_is_everybodys() -> None:
    with asking(make_actor()):
        for file in EXAMPLE_VOLUMES.values():
            assert read_volumes([file.read_bytes()]).series
        with pytest.raises(RightsError, match="open scans"):
            read_volumes([])
        with pytest.raises(RightsError, match="open scans"):
            read_volumes([EXAMPLE_SERIES.read_bytes() + b" "])


def test_every_right_is_asked_for_somewhere() -> None:
    assert {*CALLS, "audit"} == {*get_args(Right)}


def test_a_thread_of_nobodys_may_nothing_and_one_that_works_for_somebody_what_they_may() -> None:
    found: list[Actor | None] = []
    ann = make_actor("train")

    def look() -> None:
        found.append(find_actor())
        with acting_for(ann):
            found.append(find_actor())
        found.append(find_actor())

    with asking(None):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert found == [NOBODY, ann, NOBODY]


def test_what_is_handed_to_another_thread_is_done_for_who_handed_it() -> None:
    with asking(make_actor(key="ann")):
        look = for_actor(find_actor)
    with asking(None):
        found = look()
        assert found is not None and found.key == "ann" and find_actor() is NOBODY


def test_each_person_has_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folders = []
    for key in ("a" * 64, "b" * 64):
        with asking(make_actor(key=key)):
            folders.append(find_data_folder())
            assert find_shared_folder() == tmp_path
        folders[-1].mkdir(parents=True)
    assert list_data_folders() == [tmp_path, *folders], "counted in all of them, whoever asks"
    assert folders == [tmp_path / "people" / ("a" * 64), tmp_path / "people" / ("b" * 64)]


def test_anothers_prompts_cannot_be_asked_for_by_their_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be in the engine's memory; whoever has a link to them has their name and digest."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    request = ModelRequest(source="prompts", name="anns-birds", digest="0" * 64)
    assert pin_request(request) is request
    with asking(make_actor("prompts", key="bob")), pytest.raises(ModelError, match="anns-birds"):
        pin_request(request)


def test_what_is_done_and_what_is_refused_is_written_down() -> None:
    written: list[tuple[object, ...]] = []
    record("explain")  # nobody listens
    with asking(make_actor("train", key="ann"), lambda actor, *what: written.append((actor.key, *what))):
        need("train")
        record("explain", "picture", "model")
        with pytest.raises(RightsError):
            need("models")
    assert written == [("ann", "explain", "picture", "model", "done"), ("ann", "models", "", "", "refused")]


def test_a_picture_that_is_no_scan_is_everybodys() -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG")
    with asking(make_actor()):
        assert decode(file.getvalue(), "mine").pixels.shape == (40, 40, 3)
