"""Several layers' maps made one, against the definition written out in numpy."""

from dataclasses import replace

import numpy as np
import pytest

from explain.maps.fusion import fuse, fuse_values
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box


def make_map(values: np.ndarray, layer: str, method: str = "grad-cam", target: int = 3) -> Heatmap:
    return Heatmap(
        method=method,
        settings=get_method(method).settings(),
        layer=layer,
        target=target,
        label="cat",
        values=values.astype(np.float32),
        box=Box(0.0, 0.0, 8.0, 8.0),
        seconds=0.25,
        passes=Passes(1, 1),
        warnings=(f"Mind {layer}.",),
        details={"heads": 3},
        rules=("sign",),
        own_warnings=(f"Mind {layer}.",),
    )


def enlarge(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Bilinear between the centres of cells, the border cell beyond them; place by place."""
    out = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            y = max((row + 0.5) * values.shape[0] / rows - 0.5, 0)
            x = max((column + 0.5) * values.shape[1] / columns - 0.5, 0)
            top, left = int(y), int(x)
            below, right = min(top + 1, values.shape[0] - 1), min(left + 1, values.shape[1] - 1)
            upper = values[top, left] * (1 - (x - left)) + values[top, right] * (x - left)
            lower = values[below, left] * (1 - (x - left)) + values[below, right] * (x - left)
            out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out


def fuse_plainly(maps: list[np.ndarray], fusion: str) -> np.ndarray:
    rows, columns = max((values.shape for values in maps), key=np.prod)
    laid = []
    for values in maps:
        positive = np.maximum(values.astype(np.float64), 0)
        if positive.max() > 0:
            positive = positive / positive.max()
        laid.append(enlarge(positive, rows, columns))
    out = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            here = [values[row, column] for values in laid]
            rising = [value ** (2 * place / (len(here) * (len(here) + 1))) for place, value in enumerate(here, 1)]
            out[row, column] = {
                "mean": sum(here) / len(here),
                "max": max(here),
                "product": np.prod(here),
                "geometric": np.prod([value ** (1 / len(here)) for value in here]),
                "rising": np.prod(rising),
            }[fusion]
    return out


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fusion", ["mean", "max", "product", "geometric", "rising"])
@pytest.mark.parametrize("grids", [[(4, 4), (8, 8)], [(7, 5), (14, 10), (3, 2)], [(6, 6), (6, 6)]])
def test_fusion_follows_its_definition(grids: list[tuple[int, int]], fusion: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = [rng.normal(size=grid).astype(np.float32) * 10.0**power for power, grid in enumerate(grids)]
    fused = fuse_values(maps, fusion)
    assert fused.dtype == np.float32
    assert np.allclose(fused, fuse_plainly(maps, fusion), atol=1e-4 if fusion == "rising" else 1e-5)
    assert fused.min() >= 0 and fused.max() <= 1


@pytest.mark.parametrize(("fusion", "expected"), [("mean", 0.5), ("max", 1.0), ("product", 0.0)])
def test_a_blank_layer_silences_the_product_alone(fusion: str, expected: float) -> None:
    one = np.zeros((4, 4), np.float32)
    one[1, 2] = 5
    assert fuse_values([one, -np.ones((2, 2), np.float32)], fusion)[1, 2] == pytest.approx(expected)
    (fused,) = fuse([make_map(one, "a"), make_map(-np.ones((2, 2)), "b")], fusion)
    assert fused.blank == (fusion == "product")
    assert ("zero" in fused.rules) == fused.blank


def test_the_smallest_numbers_are_not_lost() -> None:
    tiny = np.full((2, 2), 1e-37, np.float32)
    assert np.array_equal(fuse_values([tiny, tiny], "product"), np.ones((2, 2)))


def test_maps_of_one_method_and_class_are_fused_and_no_others() -> None:
    rng = np.random.default_rng(0)
    first, second, other_class, other_method = (
        make_map(rng.normal(size=(4, 4)), layer, method, target)
        for layer, method, target in [
            ("a", "grad-cam", 3),
            ("b", "grad-cam", 3),
            ("a", "grad-cam", 4),
            ("a", "eigen-cam", 3),
        ]
    )
    second = replace(second, passes=Passes(2, 1))
    fused = fuse([first, other_class, second, other_method], "mean")
    assert [(m.method, m.layer, m.target) for m in fused] == [
        ("grad-cam", "a + b", 3),
        ("grad-cam", "a", 4),
        ("eigen-cam", "a", 3),
    ]
    assert fused[1] is other_class and fused[2] is other_method
    assert np.array_equal(fused[0].values, fuse_values([first.values, second.values], "mean"))
    assert fused[0].own_warnings == ("Mind a.", "Mind b.")
    assert fused[0].seconds == 0.5 and fused[0].passes == Passes(2, 1) and fused[0].details == {}
    with pytest.raises(ValueError, match="read-only"):
        fused[0].values[...] = 0


def test_a_map_that_is_not_finite_is_not_hidden_in_others() -> None:
    broken = make_map(np.full((2, 2), np.nan), "a")
    whole = make_map(np.ones((2, 2)), "b")
    assert fuse([broken, whole], "mean") == (broken, whole)


def test_later_layers_of_the_network_count_more_in_whatever_order_they_are_asked() -> None:
    rng = np.random.default_rng(0)
    early, late = (make_map(rng.random((4, 4)), layer) for layer in ("z early", "a late"))
    expected = fuse_values([early.values, late.values], "rising")
    for asked in ([early, late], [late, early]):
        (fused,) = fuse(asked, "rising", ["z early", "a late"])
        assert np.array_equal(fused.values, expected) and fused.layer == " + ".join(one.layer for one in asked)
    assert not np.allclose(expected, fuse_values([late.values, early.values], "rising"))
