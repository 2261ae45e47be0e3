"""What is said of models, and which one is offered."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from components.choices import model
from components.choices.chosen_model import GOES_TO
from components.choices.model import describe_bundled, find_model_for, find_prompted_for, list_knowing
from components.session.carried import MODEL_SOURCE
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.models.hub import HubModel
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.rights import Right
from tests.support.engine import make_picture
from tests.support.late import note, say_late
from tests.support.people import asking, make_actor


def test_bundled_models_say_how_often_they_are_right() -> None:
    first = bundled_models()[0]
    counted = describe_bundled(first.model_copy(update={"accuracy": 92.5, "test_pictures": 10_000}))
    assert "Right on 92.5 % of its 10,000 test pictures" in counted
    assert "of unknown number" in describe_bundled(first.model_copy(update={"accuracy": 92.5}))
    assert "%" not in describe_bundled(first.model_copy(update={"accuracy": None}))


def read_examples() -> dict[str, Picture]:
    return {entry.name: decode(entry.path.read_bytes(), entry.path.name) for entry in bundled_pictures()}


def classes_of(name: str) -> tuple[str, ...]:
    return next(model.classes for model in bundled_models() if model.name == name)


def test_drawn_birds_name_the_model_that_knows_them() -> None:
    photo, birds, pictures = classes_of("photo-cnn"), classes_of("birds-cnn"), read_examples()
    cat, finch = pictures["cat"], pictures["crested-finch"]
    assert find_model_for([finch, cat], photo) == "birds-vit"
    assert find_model_for([finch, cat], birds) is None
    assert find_model_for([cat], birds) == "photo-vit"
    assert find_model_for([cat], photo) is None
    assert find_model_for([cat], ("tabby", "tiger cat")) is None
    assert find_model_for([], photo) is None


def test_what_one_model_alone_knows_leads_to_it() -> None:
    photo, birds, thousand = (classes_of(name) for name in ("photo-vit", "birds-vit", "imagenet-cnn"))
    pictures = read_examples()
    cat, coffee, finch, kingfisher = (pictures[name] for name in ("cat", "coffee", "crested-finch", "kingfisher"))
    for alone in ("coffee", "guitar-and-drums", "orchestra"):
        assert find_model_for([pictures[alone]], photo) == find_model_for([pictures[alone]], birds) == "imagenet-cnn"
        assert find_model_for([pictures[alone]], thousand) is None
    assert find_model_for([cat, coffee], photo) == "imagenet-cnn", "it knows both"
    assert find_model_for([cat, coffee], thousand) is None
    assert find_model_for([kingfisher], thousand) == "photo-vit", "ImageNet has none"
    assert find_model_for([cat, kingfisher], thousand) == "photo-vit", "it knows both"
    assert find_model_for([coffee, finch], birds) is None and find_model_for([coffee, finch], thousand) == "birds-vit"
    assert find_model_for([coffee], ("espresso maker",)) is None, "another model has other words"
    assert find_model_for([finch], ("espresso maker",)) == "birds-vit"


def test_what_no_model_knows_leads_nowhere() -> None:
    raccoon = read_examples()["raccoon"]
    assert [find_model_for([raccoon], model.classes) for model in bundled_models()] == [None] * len(bundled_models())


def test_prompts_are_offered_that_know_all_that_is_shown() -> None:
    pictures = read_examples()
    assert find_prompted_for([pictures["cat"], pictures["hens"]]) == "photo-vit"
    assert find_prompted_for([pictures["ruby-warbler"]]) == "birds-vit"
    assert find_prompted_for([pictures["cat"], pictures["ruby-warbler"]]) is None
    assert find_prompted_for([pictures["coffee"]]) is find_prompted_for([pictures["raccoon"]]) is None
    own = make_picture(0)
    assert find_prompted_for([own]) is find_prompted_for([pictures["cat"], own]) is find_prompted_for([]) is None


def test_models_are_compared_that_know_the_pictures() -> None:
    pictures = read_examples()
    photographs = ["imagenet-cnn", "photo-cnn", "photo-vit"]
    assert sorted(list_knowing([pictures["cat"]])) == photographs
    assert list_knowing([pictures["coffee"]]) == ["imagenet-cnn"]
    assert sorted(list_knowing([pictures["crested-finch"]])) == ["birds-cnn", "birds-vit"]
    assert sorted(list_knowing([make_picture(0)])) == sorted(list_knowing([pictures["raccoon"]])) == photographs
    everything = sorted(model.name for model in bundled_models() if model.knows in ("photographs", "drawings"))
    assert sorted(list_knowing([pictures["cat"], pictures["crested-finch"]])) == everything, "none knows both"
    assert list_knowing([]) == []
    scan = replace(make_picture(0), modality="MR")
    assert list_knowing([scan]) == [model.name for model in bundled_models() if model.knows == "mr-slices"]
    assert list_knowing([replace(scan, modality="CT")]) == ["imagenet-cnn", "photo-cnn", "photo-vit"], "as before"


def test_a_list_that_has_left_the_page_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser did not know yet that the list is gone, and sent along what stood in it."""

    def page() -> None:
        from components.choices.model import pick_model

        pick_model()

    used: list[str] = []
    monkeypatch.setattr(model, "use_bundled", used.append)
    app = AppTest.from_function(page, default_timeout=30).run()
    said = note(app.selectbox(key="bundled"))
    app.session_state[GOES_TO] = "file"
    app.run()
    assert app.session_state[MODEL_SOURCE] == "file" and not app.selectbox
    say_late(app, said)
    assert used == []
    app.session_state[GOES_TO] = "bundled"
    app.run()
    app.selectbox(key="bundled").select("photo-cnn").run()
    assert used == ["photo-cnn"]


def pick_of_the_hub() -> None:
    from components.choices.model import pick_model

    pick_model()


@pytest.mark.parametrize(
    ("rights", "cached", "offered"), [((), False, False), ((), True, True), (("models",), False, True)]
)
def test_only_who_may_is_offered_what_has_to_be_fetched(
    monkeypatch: pytest.MonkeyPatch, rights: tuple[Right, ...], cached: bool, offered: bool
) -> None:
    monkeypatch.setattr(model, "search_hub", lambda _: [HubModel("resnet18.a1_in1k", cached)])
    with asking(make_actor(*rights)):
        app = AppTest.from_function(pick_of_the_hub, default_timeout=30)
        app.session_state[MODEL_SOURCE] = "hub"
        app.run()
        app.selectbox(key="hub-name").set_value("resnet18.a1_in1k").run()
        assert not app.exception
    said = " ".join(caption.value for caption in app.caption)
    assert app.button(key="hub-use").disabled != offered
    assert ("have this server fetch a model" in said) != offered
