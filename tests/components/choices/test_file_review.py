"""What is said of a file before and by a person, and what comes of looking into it."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from components.choices.file_review import WRITTEN, Awaited, OwnFile, Review, review_file, start_review
from explain.engine.engine import Engine
from explain.errors import ModelError
from explain.models.given_files import GivenFiles
from explain.models.recipes import remember_recipe
from explain.models.request import build_file_request
from tests.support.checkpoints import save
from tests.support.engine import make_picture
from tests.support.heads import RESNET, build_head

DATA = build_head([0.0, 3.0])
ENGINE = Engine()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))


def start(data: bytes = DATA, awaited: Awaited | None = None, **known: Any) -> OwnFile:
    return start_review(GivenFiles("mine.pt", data, known, dict.fromkeys(known, "beside it")), awaited)


def look(own: OwnFile) -> Review:
    review = review_file(own, make_picture(), lambda: ENGINE, lambda _: None)
    own.take(review)
    return review


def row(review: Review, field: str) -> Any:
    return next(row for row in review.rows if row.field == field)


def test_it_is_tried_on_a_picture_and_a_written_row_changes_the_answer() -> None:
    own = start(architecture=RESNET, label_names=("cat", "dog"))
    review = look(own)
    assert review.problem is None and review.request is not None and review.request.architecture == RESNET
    assert [answer.label for answer in review.answers] == ["dog", "cat"]
    assert review.answers[0].probability == pytest.approx(0.95, abs=0.02)
    assert row(review, "outputs").is_assumed and row(review, "label_names").reason == "beside it"
    own.edits["outputs"] = "findings"
    assert review.key != own.make_key(make_picture())
    review = look(own)
    assert review.answers[1].probability == pytest.approx(0.5, abs=0.02), "each finding by itself"
    assert row(review, "outputs").reason == WRITTEN


def test_what_cannot_be_is_said_and_the_form_stays_as_it_was() -> None:
    own = start(architecture=RESNET)
    rows = {entry.field for entry in look(own).rows}
    for field, text, words in (("input_size", "wide", "write pixels"), ("architecture", "timm/vit_x", "vit_x")):
        own.edits = {field: text}
        review = look(own)
        assert words in str(review.problem) and review.request is None and review.can_mend
        assert {entry.field for entry in review.rows} == rows and row(review, field).reason == WRITTEN
    assert look(start(b"\x08\x07\x12\x07pytorch")).can_mend is False
    own.edits = {}
    assert look(own).problem is None


def test_names_in_the_file_stay_when_another_architecture_is_named() -> None:
    state = torch.load(io.BytesIO(DATA), weights_only=True)
    own = start(save({"model": state, "arch": RESNET, "classes": ["cat", "dog"]}))
    assert look(own).request.label_names == ("cat", "dog")  # type: ignore[union-attr]
    own.edits["architecture"] = RESNET
    assert look(own).request.label_names == ("cat", "dog")  # type: ignore[union-attr]
    own.edits["labels"] = "numbered"
    assert look(own).request.label_names is None  # type: ignore[union-attr]


def test_a_link_goes_before_what_is_remembered_and_that_before_what_lies_beside() -> None:
    digest = start().digest
    remember_recipe(digest, {"architecture": RESNET, "fit": "pad", "label_names": ["a", "b"]})
    kept = start(fit="crop", interpolation="bicubic", labels="cifar10")
    assert kept.is_remembered and kept.told["fit"] == "remembered of this file"
    request = kept.build_request()
    assert (request.fit, request.interpolation, request.labels) == ("pad", "bicubic", None)
    assert request.label_names == ("a", "b")
    linked = build_file_request(DATA, "checkpoint", architecture=RESNET, fit="squash")
    asked = start(awaited=Awaited(linked, has_names=True), fit="crop").build_request()
    assert (asked.fit, asked.interpolation, asked.label_names) == ("squash", None, ("a", "b"))
    assert start(awaited=Awaited(linked), fit="crop").build_request().label_names is None
    other = start(build_head([1.0, 2.0]), Awaited(linked), fit="crop")
    assert other.build_request().fit == "crop", "a link speaks of its own file only"
    kept.forget()
    assert kept.build_request().fit == "crop" and not kept.is_remembered


def test_what_nobody_expected_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("secret internals")

    monkeypatch.setattr("explain.models.inspection.inspect_file", fail)
    review = look(start(architecture=RESNET))
    assert "could not be looked into" in str(review.problem) and "secret" not in str(review.problem)
    assert not review.can_mend


def test_without_an_engine_it_is_looked_into_all_the_same() -> None:
    def fail() -> Engine:
        raise ModelError("no such device")

    review = review_file(start(architecture=RESNET), make_picture(), fail, lambda _: None)
    assert review.request is not None and review.answers == () and "engine" in str(review.remark)
