"""What a layer says of its grid."""

import pytest
import torch

from explain.errors import LayerError
from explain.networks.layer import Layer, default_layer, describe_grid, fits


def make_layer(rows: int, columns: int, name: str = "act") -> Layer:
    return Layer(name, (rows, columns), 8, "NCHW")


def test_cells_are_counted_and_named() -> None:
    layer = make_layer(7, 12)
    assert layer.cells == 84
    assert layer.longest_side == 12
    assert layer.describe_grid() == describe_grid(layer.grid) == describe_grid(torch.zeros(7, 12).shape) == "7×12"


@pytest.mark.parametrize(("grid", "tells"), [((4, 4), True), ((3, 40), False), ((40, 3), False), ((5, 9), True)])
def test_a_side_of_few_cells_does_not_tell_places_apart(grid: tuple[int, int], tells: bool) -> None:
    assert make_layer(*grid).tells_places_apart is tells


def test_the_last_layer_that_tells_places_apart_is_the_default() -> None:
    layers = [make_layer(8, 8, "a"), make_layer(4, 4, "b"), make_layer(2, 2, "c")]
    assert default_layer(layers) is layers[1]
    assert default_layer(layers[2:]) is layers[2]
    assert default_layer([]) is None


@pytest.mark.parametrize(
    ("grid", "size", "does"),
    [
        ((7, 7), (224, 224), True),
        ((7, 8), (224, 224), True),
        ((7, 9), (224, 224), False),
        ((14, 7), (224, 112), True),
        ((7, 14), (224, 112), False),
        ((225, 225), (224, 224), False),
    ],
)
def test_a_grid_has_the_shape_of_the_input(grid: tuple[int, int], size: tuple[int, int], does: bool) -> None:
    assert fits(grid, size) is does


def test_tokens_become_a_map_of_the_grid_row_by_row() -> None:
    layer = Layer("blocks.0", (2, 3), 4, "NLC", prefix_tokens=1)
    tokens = torch.arange(28.0).reshape(1, 7, 4)
    assert torch.equal(layer.to_map(tokens)[0, :, 1, 0], tokens[0, 4])
    with pytest.raises(LayerError, match="gave 5 patch tokens where 2×3 were expected"):
        layer.to_map(tokens[:, :6])


def test_default_avoids_grids_that_tell_nothing() -> None:
    layers = [Layer("a", (16, 16), 8, "NCHW"), Layer("b", (4, 4), 8, "NCHW"), Layer("c", (2, 2), 8, "NCHW")]
    assert default_layer(layers) == layers[1]
    assert default_layer(layers[2:]) == layers[2]
    assert default_layer([]) is None


def test_tuples_and_odd_outputs() -> None:
    layer = Layer("blocks.0", (2, 3), 4, "NLC", 1)
    tokens = torch.rand(1, 7, 4)
    assert torch.equal(layer.to_map((None, {"x": tokens}, torch.rand(3))), layer.to_map(tokens))
    with pytest.raises(LayerError, match="8 patch tokens where 2×3"):
        layer.to_map(torch.rand(1, 9, 4))
    with pytest.raises(LayerError, match="no tensor"):
        layer.to_map("text")
