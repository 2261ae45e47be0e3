"""The sentence under a picture: every figure in it is parsed back, and is the engine's."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.engine.explanation import PictureExplanation, Prediction
from explain.faithfulness.effects import Effects
from explain.faithfulness.verdict import Mark, Verdict
from explain.maps.agreement import rank_correlations
from explain.maps.heatmap import Heatmap
from explain.maps.mask import MaskSettings, find_mask
from explain.maps.render import place
from explain.models.loaded import LoadedModel
from explain.pictures.geometry import Box
from explain.pictures.picture import Placement, Section
from explain.report.manifest import build_manifest
from explain.report.sentence import NOTHING_STANDS_OUT, SENTENCE_RULES, find_lead, find_where, write_sentence
from tests.support.engine import build_model, make_picture

NULL = tuple(np.linspace(-0.5, 0.5, 500).tolist())
NAMES = re.compile("“[^”]*”")
NUMBERS = re.compile(r"−?\d+(?:,\d{3})*(?:\.\d+)?")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def entry(engine: Engine, cnn: LoadedModel) -> PictureExplanation:
    """Noise, of which the model sees the middle, by three methods, one of which does not ask for the class."""
    return engine.explain(make_picture(), cnn, ["eigen-cam", "grad-cam", "layer-cam"]).pictures[0]


def parse(text: str) -> list[str]:
    """The numbers in a text as they are written, but for those in names."""
    return NUMBERS.findall(NAMES.sub("“”", text))


def say(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def say_share(share: float) -> str:
    """Digits alone, as the words before them (under, over) are no numbers."""
    if share in (0, 1) or 0.01 <= share <= 0.99:
        return f"{100 * share:.0f}"
    return f"{min(max(float(f'{100 * share:.1f}'), 0.1), 99.9):.1f}"


def list_shares_of_ninths(high: np.ndarray) -> list[float]:
    """Pixel by pixel: into which ninth each falls."""
    counts = [0] * 9
    for y, x in np.argwhere(high):
        counts[int((y + 0.5) / high.shape[0] * 3) * 3 + int((x + 0.5) / high.shape[1] * 3)] += 1
    return [count / sum(counts) for count in counts]


def expect(entry: PictureExplanation, share: float = 0.2) -> Iterator[str]:
    """The numbers that the sentence must have, from what the engine answered, in its order."""
    first, second = entry.predictions[:2]
    assert first.probability is not None and second.probability is not None
    yield from (say_share(first.probability), say_share(second.probability))
    shown = [one for one in entry.maps if (one.values > 0).any()]
    if shown:
        lead = next((one for one in shown if one.method != "eigen-cam"), shown[0])
        placed = np.nan_to_num(place(np.maximum(lead.values, 0), lead.box, entry.picture.size))
        high = placed / placed.max() > np.float32(share)
        yield from (say_share(share), say_share(high.mean()), say_share(max(list_shares_of_ninths(high))))
        if lead.key in entry.effects:
            yield from expect_effects(entry.effects[lead.key])
        else:
            for mark in entry.verdicts[lead.key].marks if lead.key in entry.verdicts else ():
                yield from expect_mark(mark)
    if len(shown) > 1:
        matrix = rank_correlations([one.values for one in shown], [one.box for one in shown])
        pairs = matrix[np.tril_indices(len(shown), -1)]
        pairs = pairs[np.isfinite(pairs)]
        yield from (
            ()
            if not len(pairs)
            else (say(pairs.max()),)
            if len(pairs) == 1
            else (
                say(pairs.max()),
                say(pairs.min()),
            )
        )
    (top, bottom), (left, right) = entry.maps[0].box.spans
    height, width = entry.picture.size
    seen = (min(bottom, height) - max(top, 0)) * (min(right, width) - max(left, 0)) / height / width
    yield from (say_share(1 - seen),) if seen < 0.999 else ()


def expect_mark(mark: Mark) -> Iterator[str]:
    if mark.word in ("same for other classes", "unsteady") and mark.value is not None:
        yield say(mark.value)
    if mark.word == "cannot be checked" and mark.value is not None and mark.value >= 0.5:
        yield say_share(mark.value)
    if mark.word in ("backed", "undecided"):
        yield f"{sum(one < mark.value for one in mark.null):,}"
        yield f"{len(mark.null):,}"
    if mark.word == "contradicted":
        yield f"{sum(one > mark.value for one in mark.null):,}"
        yield f"{len(mark.null):,}"


def expect_effects(effects: Effects) -> Iterator[str]:
    data = effects.as_data()
    change, whole = data["regions"][0]["probability"], data["probability"]
    left = [whole - fall for fall in change["removal"]]
    yield from dict.fromkeys((say_share(min(left)), say_share(max(left))))
    beside = [whole - sum(falls) / len(falls) for falls in change["controls"]]
    if beside:
        yield str(len(beside))
        yield from dict.fromkeys((say_share(min(beside)), say_share(max(beside))))


def check(entry: PictureExplanation, share: float = 0.2) -> str:
    """Every number of the sentence is the engine's, every clause has one, and they are kept as they are."""
    sentence = write_sentence(replace(entry, masks=MaskSettings(share=share)))
    assert parse(sentence.text) == [*expect(entry, share)], sentence.text
    for clause in sentence.clauses:
        assert clause.figures and parse(clause.text) == parse(" ".join(figure.text for figure in clause.figures))
        for figure in clause.figures:
            (written,) = NUMBERS.findall(figure.text)
            value = float(written.replace(",", "").replace("−", "-")) / (100 if figure.text.endswith("%") else 1)
            assert value == pytest.approx(figure.value, abs=0.00501), figure
    return sentence.text


def mark(word: str, value: float) -> Mark:
    return Mark(word, "", "hiding", value, NULL)  # type: ignore[arg-type]


def with_verdict(entry: PictureExplanation, *marks: Mark, settled: bool = True) -> PictureExplanation:
    lead = find_lead(entry)
    assert lead is not None
    return replace(entry, verdicts={lead.key: Verdict(marks, settled=settled)})


def test_every_number_is_the_engines(entry: PictureExplanation) -> None:
    text = check(entry)
    assert text.startswith("The model says “") and "Grad-CAM is high (above 20 % of its highest value) in " in text, (
        "Eigen-CAM does not ask for a class"
    )
    assert "cropped away" in text and NOTHING_STANDS_OUT not in text
    check(entry, share=0.6)


def test_what_hiding_says_is_told_with_its_comparisons(entry: PictureExplanation) -> None:
    backed = check(with_verdict(entry, mark("backed", 0.48)))
    assert "lowers “" in backed and "more than hiding as much elsewhere in 490 of 500" in backed
    assert NOTHING_STANDS_OUT not in backed
    assert f"{NOTHING_STANDS_OUT} Hiding" in check(with_verdict(entry, mark("undecided", 0.1)))
    assert "less than hiding as much elsewhere in 4" in check(with_verdict(entry, mark("contradicted", -0.48)))
    others = [Mark("same for other classes", "", "other classes", 0.97), Mark("unsteady", "", "copies", 0.4)]
    assert "looks the same (alike to 0.97)" in check(with_verdict(entry, *others))
    assert "With all hidden, 62 % of “" in check(with_verdict(entry, mark("cannot be checked", 0.62)))
    nothing = write_sentence(entry).text
    for word in ("one place decides", "not measured", "blank"):
        assert write_sentence(with_verdict(entry, Mark(word, "Nothing."))).text == nothing  # type: ignore[arg-type]
    assert write_sentence(with_verdict(entry, mark("backed", 0.48), settled=False)).text == nothing


def test_what_was_measured_without_the_place_is_told_beside_other_places(
    engine: Engine, cnn: LoadedModel, entry: PictureExplanation
) -> None:
    lead = find_lead(entry)
    assert lead is not None
    settings = MaskSettings(share=0.9, pieces="largest")
    mask = find_mask(lead.values, lead.box, entry.picture.size, settings)
    effects = engine.measure_effects(entry.picture, cnn, {"high": mask.enlarge()})
    sentence = write_sentence(replace(entry, effects={lead.key: effects}, masks=settings))
    (clause,) = (clause for clause in sentence.clauses if clause.about == "without")
    assert parse(clause.text) == [*expect_effects(effects)]
    assert clause.text.startswith(NOTHING_STANDS_OUT) != effects.regions[0].score.stands_out
    large = engine.measure_effects(entry.picture, cnn, {"high": (4, 4, 44, 36)})
    told = check(replace(entry, effects={lead.key: large}))
    assert "too large to compare" in told and NOTHING_STANDS_OUT not in told
    by_score = replace(large, regions=[replace(large.regions[0], probability=None)])
    left = by_score.whole.score - by_score.regions[0].score.removal
    assert (
        f"is left with {say(left.min())} to {say(left.max())};"
        in write_sentence(replace(entry, effects={lead.key: by_score})).text
    )


def test_nothing_is_said_without_a_number(entry: PictureExplanation) -> None:
    blank = replace(entry, maps=tuple(replace(one, values=-abs(one.values)) for one in entry.maps))
    assert [clause.about for clause in write_sentence(blank).clauses] == ["answer", "unseen"]
    assert write_sentence(replace(entry, predictions=(), maps=())).text == ""
    assert write_sentence(replace(entry, predictions=(Prediction(0, "a", None),), maps=())).text == ""


def test_the_answer_is_told_as_what_it_is(entry: PictureExplanation) -> None:
    value = replace(entry, predictions=(Prediction(0, "age 7", None, 41.25),), maps=())
    assert write_sentence(value).text == "The model says “age 7” (41.25)."
    last = entry.predictions[3]
    other = write_sentence(replace(entry, targets=(last.index,))).clauses[0].text
    assert f"what is explained is “{last.label}” (" in other
    doubted = write_sentence(replace(entry, caution="It knows no such pictures.")).clauses[0].text
    assert doubted.endswith("of a picture unlike those it learned from.")


def test_places_are_known_parts_or_ninths() -> None:
    values = np.zeros((3, 3), dtype=np.float32)
    values[2, 0] = 1
    mask = find_mask(values, Box.whole((30, 60)), (30, 60), MaskSettings(share=0.9))
    assert find_where(mask) == (1.0, "in the lower left")
    part = np.zeros((30, 60), dtype=bool)
    part[:, :12] = True
    share, where = find_where(mask, {"tail": part, "beak": ~part})
    assert where == "on the tail" and share == (mask.pixels & part).sum() / mask.pixels.sum() >= 0.5
    assert find_where(mask, {"eye": np.zeros((30, 60), dtype=bool)})[1] == "in the lower left"


def test_millimetres_are_told_where_they_are_known(entry: PictureExplanation) -> None:
    placed = replace(entry, picture=replace(entry.picture, placement=Placement((2.0, 0.5), at_detector=True)))
    area = write_sentence(entry).clauses[1].figures[1].value
    assert f"({area * 2000:,.0f} mm² at the detector)" in write_sentence(placed).text


def test_a_slice_is_no_picture_beside_what_is_said_of_its_volume(entry: PictureExplanation) -> None:
    section = Section("volume", "axial", 3, "", False)
    told = write_sentence(replace(entry, picture=replace(entry.picture, section=section))).text
    assert told == write_sentence(entry).text.replace("of the picture", "of the slice") != write_sentence(entry).text


def test_a_method_that_does_not_ask_for_the_class_says_so(entry: PictureExplanation) -> None:
    alone = replace(entry, maps=tuple(one for one in entry.maps if one.method == "eigen-cam"))
    assert "Eigen-CAM, which does not ask for the class, is high (above 20 % " in check(alone)


def test_the_manifest_keeps_it_with_its_figures(engine: Engine, cnn: LoadedModel) -> None:
    explanation = engine.explain(make_picture(), cnn, ["grad-cam"])
    kept = build_manifest(explanation).pictures[0].sentence
    sentence = write_sentence(explanation.pictures[0])
    assert kept is not None and (kept.text, kept.rules) == (sentence.text, SENTENCE_RULES)
    assert (
        len(kept.figures) == len(parse(kept.text))
        and kept.figures[0] == explanation.pictures[0].predictions[0].probability
    )


def test_numbers_are_the_engines_on_many_pictures(engine: Engine, cnn: LoadedModel) -> None:
    many(engine, cnn, range(1, 9), ())


@pytest.mark.slow
def test_numbers_are_the_engines_on_two_hundred_pictures(engine: Engine, cnn: LoadedModel) -> None:
    many(engine, cnn, range(200), range(0, 200, 10))


def many(engine: Engine, cnn: LoadedModel, seeds: range, judged: range | tuple[int, ...]) -> None:
    """Each with a size of its own; those that are judged with what the verdict says."""
    for seed in seeds:
        picture = make_picture(seed, size=(30 + seed % 23, 34 + seed % 17))
        check(engine.explain(picture, cnn, ["grad-cam", "layer-cam", "eigen-cam"], verdicts=seed in judged).pictures[0])
        engine.forget()


def test_the_leading_map_asks_for_the_class(entry: PictureExplanation) -> None:
    lead = find_lead(entry)
    assert isinstance(lead, Heatmap) and lead.method == "grad-cam"
