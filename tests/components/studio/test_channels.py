"""What happens without channels, on the page: charts hold the numbers, and the other picture is the one meant."""

from dataclasses import replace

import numpy as np

from components.studio.channel_charts import draw_channels, draw_claims, draw_patches, draw_paths
from components.studio.channels import (
    MOST_BARS,
    MOST_CARDS,
    ChannelsShown,
    build_channel_cards,
    describe_bars,
    has_mean,
    list_beside,
    make_channels_key,
)
from explain.faithfulness.channels import Channels, Paths, Replaced, Shift
from explain.faithfulness.effects import Answered
from explain.faithfulness.patching import Patches
from explain.pictures.geometry import Box
from tests.support.engine import build_model, make_picture

REMOVAL = np.random.default_rng(0).normal(size=40)
CLAIMS = REMOVAL * 2
CHANNELS = Channels(
    Answered("cat", 4.0, 0.9, "cat"),
    "layer4",
    np.ones(40),
    np.random.default_rng(1).normal(size=(40, 3, 3)).astype(np.float32),
    {"mean": Replaced(Shift(REMOVAL, -REMOVAL, 1.0), Shift(REMOVAL / 10, REMOVAL, 1.0), {}, CLAIMS)},
    16,
)


def test_bars_are_the_channels_that_do_most_with_what_the_weights_say() -> None:
    figure = draw_channels(CHANNELS, ChannelsShown("mean", "removal", False))
    strongest = sorted(range(40), key=lambda k: -abs(REMOVAL[k]))[:MOST_BARS][::-1]
    bars, diamonds = figure.data
    assert list(bars.customdata) == strongest and np.allclose(bars.x, REMOVAL[strongest])
    assert np.allclose(diamonds.x, CLAIMS[strongest]) and figure.layout.yaxis.ticktext[-1] == f"channel {strongest[-1]}"
    colours = {colour for colour, value in zip(bars.marker.color, bars.x, strict=True) if value > 0}
    assert len(colours) == 1 and colours.isdisjoint(
        {colour for colour, value in zip(bars.marker.color, bars.x, strict=True) if value < 0}
    )


def test_probabilities_are_per_cent_and_have_no_diamonds() -> None:
    shown = ChannelsShown("mean", "removal", True)
    (bars,) = draw_channels(CHANNELS, shown).data
    assert np.abs(bars.x).max() == abs(10 * REMOVAL).max()
    assert "Diamonds" not in describe_bars(CHANNELS, shown)
    assert "The 14 of 40 channels" in describe_bars(CHANNELS, ChannelsShown("mean", "alone", False))


def test_all_channels_are_dots_beside_a_line_of_equal_numbers() -> None:
    line, dots = draw_claims(CHANNELS, ChannelsShown("mean", "removal", False)).data
    assert np.allclose(dots.x, CLAIMS) and np.allclose(dots.y, REMOVAL) and line.x == line.y


def test_a_path_is_drawn_where_it_beats_random_pairs_the_wider_the_more() -> None:
    effects = np.array([[-2.0, 0.1], [0.5, 1.0]])
    paths = Paths("cat", ("a", "b"), np.array([4, 7]), np.array([1, 3]), effects, np.full(64, 0.3))
    *edges, sources, sinks = draw_paths(paths).data
    assert [edge.hovertemplate.split("<")[0] for edge in edges] == ["7 → 1: 0.500", "7 → 3: 1.000", "4 → 1: -2.000"]
    widths = [edge.line.width for edge in edges]
    assert widths == sorted(widths) and list(sources.text) == ["4", "7"] and list(sinks.text) == ["1", "3"]


def test_heads_are_bars_and_what_is_estimated_is_pale() -> None:
    names = tuple(f"block 0, head {number}" for number in range(20))
    falls, measured = np.linspace(-1, 2, 20), np.arange(20) % 2 == 0
    (bars,) = draw_patches(Patches(CHANNELS.whole, CHANNELS.whole, names, falls, 1.0, measured, 0.9)).data
    assert len(bars.x) == MOST_BARS and bars.customdata[-1] == "block 0, head 19" and bars.x[-1] == 2
    assert bars.marker.opacity[-1] == 0.5 and bars.marker.opacity[-2] == 1.0


def test_cards_show_the_picture_and_where_the_channels_that_do_most_respond() -> None:
    picture = make_picture()
    whole, *items = build_channel_cards(CHANNELS, ChannelsShown("mean", "removal", False), picture, Box(0, 0, 50, 40))
    strongest = sorted(range(40), key=lambda k: -abs(REMOVAL[k]))[:MOST_CARDS]
    assert whole.title == picture.name and [card.key for card in items] == [str(k) for k in strongest]
    assert (
        items[0].lines == (f"{REMOVAL[strongest[0]]:+.3f}".replace("-", "−"),)
        and len({card.frames[0].image for card in items}) == MOST_CARDS
    )


def test_few_pictures_shown_leave_the_mean_to_examples() -> None:
    one, *others = [make_picture(seed) for seed in range(4)]
    assert list_beside(one, [one, *others[:2]]) == () and list_beside(one, [one, *others]) == tuple(others)


def test_a_scan_alone_has_no_mean() -> None:
    one, other = (replace(make_picture(seed), modality="CT") for seed in range(2))
    assert not has_mean(one, list_beside(one, [one])) and has_mean(one, list_beside(one, [one, other]))
    assert has_mean(make_picture(), ())


def test_another_question_has_another_key() -> None:
    model, picture = build_model("cnn"), make_picture()
    key = make_channels_key(model, 1, picture, {"layer": "a"})
    assert key == make_channels_key(model, 1, picture, {"layer": "a"})
    assert key not in (make_channels_key(model, 1, picture, {"layer": "b"}), make_channels_key(model, 2, picture, {}))
