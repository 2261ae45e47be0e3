"""The answer to surgery on a picture: what class prompts see before and after, side by side."""

import numpy as np

from explain.engine.engine import Engine
from explain.passes.count import Passes
from explain.pictures.painting import paint_over, swap_region
from explain.traits.surgery import Asked, answer_surgery, read_picture
from explain.traits.traits import look_with_eyes_of
from tests.support.engine import build_model
from tests.support.network import make_picture
from tests.support.prompted import build_small, wrap_model

SIZE = (40, 60)
TRIANGLE = [(10.0, 5.0), (50.0, 8.0), (22.5, 36.0)]
DISC = np.hypot(np.arange(SIZE[0])[:, None] - 20, np.arange(SIZE[1]) - 31) < 9


def test_before_and_after_side_by_side() -> None:
    loaded, engine = wrap_model(build_small("deep"), "small"), Engine("cpu")
    before = make_picture(0, 32)
    after = swap_region(before, (0, 0, 32, 24), make_picture(5, 32))
    answer = answer_surgery(engine, before, after, loaded, ["auto", 3])
    assert engine.passes == Passes(2, 0)
    first, second = (
        look_with_eyes_of(Engine("cpu"), p, loaded, [seen.target for seen in answer.before.classes])
        for p in (before, after)
    )
    np.testing.assert_array_equal(answer.before.scores, first.scores)
    np.testing.assert_array_equal(answer.after.scores, second.scores)
    np.testing.assert_allclose(answer.before.probabilities.sum(), answer.after.probabilities.sum(), atol=1e-9)
    assert [seen.target for seen in answer.after.classes] == [seen.target for seen in answer.before.classes]
    assert answer.before.classes[0].target == answer.before.predictions[0].index
    assert answer.flipped == (answer.before.predictions[0].index != answer.after.predictions[0].index)
    for seen, alone in ((answer.before, first), (answer.after, second)):
        for number, by_class in enumerate(seen.classes):
            np.testing.assert_array_equal(by_class.attention, alone.classes[number].attention)
    same = answer_surgery(engine, before, before, loaded, [3])
    assert not same.flipped and (same.after.scores == same.before.scores).all()
    assert engine.passes == Passes(2, 0)


def test_any_model_is_asked_by_any_method_before_and_after() -> None:
    engine, cnn = Engine("cpu"), build_model("cnn")
    before = make_picture(0, 32)
    after = paint_over(paint_over(before, (0, 0, 12, 12), "blur"), (16, 16, 30, 30))
    asked = Asked(("grad-cam", "normgrad", "occlusion", "prompt-cam"))
    first = read_picture(engine, before, cnn, asked)
    second = read_picture(engine, after, cnn, asked.of(first.target))
    assert first.eyes is None and first.answer == first.predictions[0]
    assert second.target == first.target and len(second.predictions) == len(cnn.labels)
    assert [heatmap.method for heatmap in second.maps] == ["grad-cam", "normgrad", "occlusion"]
    assert list(second.unavailable) == ["prompt-cam"]
    for reading, picture in ((first, before), (second, after)):
        alone = Engine("cpu").explain(picture, cnn, asked.methods, target=first.target).pictures[0]
        for one, other in zip(reading.maps, alone.maps, strict=True):
            np.testing.assert_array_equal(one.values, other.values)
    assert [note.startswith("Altered") for note in after.notes[-2:]] == [True, True]


def test_a_model_with_prompts_answers_by_them_and_shows_its_heads() -> None:
    engine, loaded = Engine("cpu"), wrap_model(build_small("deep"), "small")
    reading = read_picture(engine, make_picture(0, 32), loaded, Asked(("grad-cam",), heads=2))
    assert reading.eyes is not None and len(reading.eyes.classes[0].traits) == 2
    assert reading.target == reading.eyes.classes[0].target == reading.predictions[0].index
    assert reading.maps[0].target == reading.target
