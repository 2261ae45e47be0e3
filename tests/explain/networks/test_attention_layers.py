"""Which layers trained attention reads where nobody says."""

from explain.networks.attention_layers import LARGEST_GRID, choose_grid, find_attention_layers
from explain.networks.layer import Layer, Layout


def name_chosen(sides: list[int], default: int, layout: Layout = "NCHW") -> list[str]:
    layers = [Layer(f"{number}", (side, side), 8, layout) for number, side in enumerate(sides)]
    return [layer.name for layer in find_attention_layers(layers, layers[default], (224, 224))]


def test_the_last_of_each_coarse_grid_up_to_the_default() -> None:
    # As published for a ResNet-50: layer2, layer3 and layer4; a stem at half the input is too fine.
    assert name_chosen([112, 56, 56, 28, 28, 14, 14, 7, 7], 8) == ["4", "6", "8"]
    assert name_chosen([112, 56, 56, 28, 28, 14, 14, 7, 7], 6) == ["2", "4", "6"]


def test_where_there_are_too_few_grids_those_before() -> None:
    assert name_chosen([112, 14, 7, 7], 3) == ["1", "2", "3"]
    assert name_chosen([112, 112], 1) == ["1"]


def test_a_transformer_gives_its_last_three() -> None:
    assert name_chosen([14] * 6, 4, "NLC") == ["3", "4", "5"]


def test_a_fine_grid_is_bounded() -> None:
    assert choose_grid((112, 28)) == (LARGEST_GRID, 28)
