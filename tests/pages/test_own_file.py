"""A file of one's own on the page: looked into when it is dropped, used with one press, and remembered."""

from collections.abc import Callable
from typing import Any

import pytest

from explain.faithfulness.unlike import FEWEST, SENTENCE_OF_REFERENCES
from explain.models.recipes import recall_recipe
from tests.support.data_sets import draw, fill, pack
from tests.support.heads import RESNET, build_head

Open = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("own_home")


def read_words(dashboard: Any) -> str:
    return "\n".join([dashboard.sentences, *(element.value for element in dashboard.test.markdown)])


def test_a_file_is_shown_before_it_is_used_and_remembered_after(dashboard: Any, open_dashboard: Open) -> None:
    before = dashboard.rows[0]["detail"]
    data = build_head([-6.0])
    dashboard.give_file(("pneumonia.pth.tar", data), ("names.txt", b"pneumonia"), architecture=RESNET)
    assert not dashboard.test.exception and not dashboard.test.error
    assert dashboard.rows[0]["detail"] == before, "the model in use stays until another is used"
    assert "recipe.toml says so" in read_words(dashboard) and "please say" in read_words(dashboard)
    assert "pneumonia · **−6" in read_words(dashboard)
    offered = dashboard.test.selectbox(key="model-outputs").options
    assert not any("just one of them" in option for option in offered), "one number is no choice among classes"
    dashboard.test.selectbox(key="model-outputs").set_value("logit").run()
    shares = [bar.proto.value for bar in dashboard.test.get("progress")]
    assert shares[0] >= 99, "no pneumonia"
    dashboard.use_file()
    assert not dashboard.test.exception
    assert not [button for button in dashboard.test.button if button.key == "own-file-use"], "the form is gone"
    request = dashboard.test.session_state["model"].request
    assert (request.outputs, request.label_names) == ("logit", ("pneumonia",))
    assert recall_recipe(request.digest) == request.recipe
    again = open_dashboard()
    again.give_file(("renamed.bin", data))
    again.use_file()
    assert again.test.session_state["model"].request.recipe == request.recipe, "one press"
    assert "In use:" not in again.sentences, "the form says that it is this file"
    again.test.button(key="own-file-open").click().run()
    again.test.button(key="own-file-forget").click().run()
    assert recall_recipe(request.digest) is None
    assert not [button for button in again.test.button if button.key == "own-file-forget"]
    again.give_file(("net.onnx", b"\x08\x07\x12\x07pytorch\x1a\x031.9"))
    assert "In use: renamed.bin" in again.sentences, "what stands below is not of the file that was refused"


def test_going_back_to_a_link_finds_the_file_that_was_given(dashboard: Any) -> None:
    dashboard.give_file(("mine.pt", build_head([0.0, 3.0])), ("names.txt", b"cat\ndog"), architecture=RESNET, fit="pad")
    dashboard.use_file()
    words = dashboard.words
    assert words["model.fit"] == "pad" and words["model.labels"] == "file"
    dashboard.pick("model-source", "bundled")
    dashboard.test.selectbox(key="bundled").set_value("photo-cnn").run()
    assert "model.fit" not in dashboard.words
    for name in ("link-followed", "link-kept"):
        del dashboard.test.session_state[name]
    dashboard.test.query_params.clear()
    dashboard.test.query_params.update({**words, "model.fit": "squash"})
    dashboard.test.run()
    assert not dashboard.test.exception and not dashboard.test.error
    request = dashboard.test.session_state["model"].request
    assert (request.fit, request.label_names) == ("squash", ("cat", "dog")), "the link wins over what is remembered"
    assert dashboard.rows


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("net.onnx", b"\x08\x07\x12\x07pytorch\x1a\x031.9")], "is an ONNX program"),
        ([("a.pth", b"a"), ("b.pth", b"b")], "several checkpoints here"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_all_else_stays(
    dashboard: Any, files: list[tuple[str, bytes]], words: str
) -> None:
    before = dashboard.rows[0]["detail"]
    dashboard.give_file(*files)
    assert words in dashboard.sentences and not dashboard.test.exception
    assert "In use: photo" in dashboard.sentences
    assert dashboard.rows[0]["detail"] == before
    dashboard.test.file_uploader(key="model-bytes").set_value(None).run()
    assert words not in dashboard.sentences


def test_more_than_fits_is_refused_before_it_is_read(dashboard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.choices.own_file.MOST_BYTES", 10)
    dashboard.give_file(("mine.pt", b"eleven or so"))
    assert "These files are larger than" in dashboard.sentences and not dashboard.test.exception


def test_a_picture_unlike_the_references_is_said_to_be_beside_a_model_of_ones_own(dashboard: Any) -> None:
    assert not [field for field in dashboard.test.file_uploader if str(field.key).startswith("references-")]
    dashboard.give_file(("mine.pt", build_head([0.0, 3.0])), architecture=RESNET)
    dashboard.use_file()
    assert "Not measured: whether a picture is like those the model learned from." in dashboard.sentences
    assert not dashboard.rows[0]["caution"]
    field = dashboard.test.file_uploader(key="references-0")
    few = [(name, data, "image/png") for name, data in fill("plain", count=FEWEST - 1)]
    field.set_value(few).run()
    assert "38 reference pictures are too few" in dashboard.sentences and not dashboard.rows[0]["caution"]
    noise = dashboard.test.file_uploader(key="references-1")
    noise.set_value([("noise.zip", pack(fill("noise", count=FEWEST)), "application/zip")]).run()
    assert not dashboard.test.exception and not dashboard.test.error
    assert dashboard.rows[0]["caution"] == SENTENCE_OF_REFERENCES and dashboard.rows[0]["measured"]
    assert "Not measured" not in dashboard.sentences
    dashboard.upload(("noise.png", draw(3)))
    assert not dashboard.rows[0]["caution"]
    assert "Like the 39 reference pictures" in "".join(dashboard.rows[0]["notes"])
    dashboard.test.button(key="references-forget").click().run()
    assert "Not measured" in dashboard.sentences and not dashboard.rows[0]["measured"]
