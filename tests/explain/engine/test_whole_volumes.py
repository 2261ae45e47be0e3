"""A volume explained whole: its map lies on what decides, in millimetres; and what cannot be done, in sentences."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.engine.whole_volumes import VolumeSight
from explain.errors import DeviceError, ExplainError, ModelError, PictureError
from explain.methods import all_methods
from explain.models.loaded import LoadedModel
from explain.volumes.from_array import build_volume
from explain.volumes.volume import Volume

_PREPROCESSING = {
    "depth": 8,
    "input_size": (16, 16),
    "channels": 1,
    "mean": (0.0,),
    "std": (1.0,),
    "spacing": (2.0, 1.0, 1.0),
    "window": (0.0, 100.0),
    "orientation": "SPL",
}
_FAST = {
    "rise": {"masks": 400, "grid": 4},
    "occlusion": {"window": 50.0, "stride": 30.0},
    "smooth-grad-cam++": {"copies": 2},
    "integrated-gradients": {"steps": 4},
}


class _Finder(nn.Module):
    """Two classes: something bright is there, or nothing is. Halves the plane at `step`, and bends after it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.step = nn.Sequential(nn.Conv3d(1, 6, 3, (1, 2, 2), padding=1), nn.ReLU())
        self.last = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 2)
        for part in (self.step[0], self.last[0]):
            nn.init.uniform_(part.weight, 0.02, 0.1)
            nn.init.constant_(part.bias, -0.1)
        nn.init.uniform_(self.head.weight, 0.5, 1)
        self.head.weight.data[0] *= -1

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.step(volumes)).mean((2, 3, 4)))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def finder(engine: Engine) -> LoadedModel:
    return engine.load(_Finder(), preprocessing=_PREPROCESSING, labels=["nothing", "something"])


def _draw(axes: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1)) -> tuple[Volume, np.ndarray]:
    """A dark block with one bright spot, stored with its axes in another order; and where the spot is in LPS."""
    numbers = np.zeros((8, 16, 16), np.int16)
    numbers[5:7, 3:6, 10:13] = 100
    affine = np.eye(4)
    affine[:3, :3] = np.diag((2.0, 1.0, 1.0))[::-1]
    affine[:3, 3] = (-40, 7, 300)
    spot = (affine @ (5.5, 4, 11, 1))[:3]
    stored = numbers.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    turned = np.eye(4)
    start = np.zeros(3)
    for own, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        turned[:3, own] = affine[:3, axis] * sign
        start[axis] = 0 if sign > 0 else numbers.shape[axis] - 1
    turned[:3, 3] = (affine @ (*start, 1))[:3]
    return build_volume(stored, turned, modality="CT", unit="HU"), spot


def test_layers_of_volumes_are_found(finder: LoadedModel) -> None:
    assert finder.reads_volumes
    assert {layer.name: layer.grid for layer in finder.layers} == {"step": (8, 8, 8), "last": (8, 8, 8)}
    assert finder.default_layer is not None and finder.default_layer.layout == "NCDHW"


@pytest.mark.parametrize(("axes", "signs"), [((0, 1, 2), (1, 1, 1)), ((2, 0, 1), (1, -1, 1)), ((1, 2, 0), (-1, 1, -1))])
def test_maps_of_every_method_lie_on_the_spot(
    engine: Engine, finder: LoadedModel, axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume, spot = _draw(axes, signs)
    # All methods where the axes are turned furthest, the quick ones elsewhere.
    names = [*all_methods()] if axes == (2, 0, 1) else ["grad-cam", "cf-cam", "eigen-cam"]
    answer = engine.explain_volume(volume, finder, names, layer="step", target="something", settings=_FAST)
    drawn = {one.heatmap.method: one for one in answer.maps}
    asking = {"attention", "prompts", "head", "trained attention"}
    refused = {name for name, method in all_methods().items() if method.needs & asking}
    assert set(drawn) == set(names) - refused and set(answer.unavailable) == refused & set(names)
    for name, sentence in answer.unavailable.items():
        assert sentence.endswith(".") and len(sentence) > 40, name
    for name, one in drawn.items():
        assert np.isfinite(one.values).all(), name
        whole = all_methods()[name].place == "input" or name == "guided-grad-cam"
        sides = (8, 16, 16) if whole else (8, 8, 8)
        assert one.values.shape == tuple(sides[axis] for axis in axes), name
        assert one.affine is not None and one.peak is not None
        if name in ("rise", "occlusion"):  # whose masks and windows are larger than the spot
            place = np.linalg.inv(one.affine) @ (*spot, 1)
            at = tuple(round(axis) for axis in place[:3])
            assert one.values[at] > np.percentile(one.values, 90)
        elif name != "counterfactual-grad-cam":  # which is high where nothing speaks for the spot
            # Within the spot or the cell beside it: convolutions see their neighbours.
            distance = np.abs(np.array(one.peak) - spot)
            assert (distance <= (3.5, 3.5, 4.5)).all(), (name, one.peak, spot)


def test_what_was_seen_is_remembered(engine: Engine, finder: LoadedModel) -> None:
    volume, _ = _draw()
    engine.explain_volume(volume, finder, "grad-cam", target="something")
    before = engine.passes
    again = engine.explain_volume(volume, finder, "grad-cam,eigen-cam", target="something")
    assert engine.passes == before and len(again.maps) == 2
    assert again.predictions[0].label == "something"


def test_a_picture_is_refused_by_a_network_of_volumes(engine: Engine, finder: LoadedModel) -> None:
    with pytest.raises(PictureError, match="reads whole volumes of 8×16×16 voxels, and a picture is one slice"):
        engine.explain(np.zeros((20, 20, 3), np.uint8), finder)


def test_a_volume_is_refused_by_a_network_of_pictures(engine: Engine) -> None:
    volume, _ = _draw()
    flat = nn.Sequential(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    told = {"input_size": (16, 16), "channels": 6, "mean": (0.5,) * 6, "std": (0.5,) * 6}
    loaded = engine.load(flat, preprocessing=told)
    with pytest.raises(ModelError, match="a volume's slices are not its channels"):
        engine.explain_volume(volume, loaded)


def test_a_map_of_few_cells_says_so(engine: Engine) -> None:
    net = nn.Sequential(nn.Conv3d(1, 4, 3, (4, 4, 4), padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    loaded = engine.load(net.append(nn.Linear(4, 2)), preprocessing=_PREPROCESSING)
    answer = engine.explain_volume(_draw()[0], loaded, "cam,grad-cam")
    cam, grad_cam = answer.maps
    said = "The map has 2×4×4 cells, 8 × 4 × 4 mm each: only 2 from slice to slice."
    assert said in cam.heatmap.warnings and said in grad_cam.heatmap.warnings
    scale = float(np.abs(cam.values).max())
    assert np.allclose(cam.values / 32, grad_cam.values, atol=1e-5 * scale), "behind a global average they are the same"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 0}, "depth"),
        ({"spacing": (0, 1, 1)}, "spacing"),
        ({"orientation": "SSS"}, "orientation"),
        ({"window": (5, 1)}, "window"),
    ],
)
def test_absurd_settings_get_a_sentence(engine: Engine, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ExplainError, match=said):
        engine.load(_Finder(), preprocessing={**_PREPROCESSING, **change})


def test_a_network_that_does_not_fit_its_input_gets_a_sentence(engine: Engine) -> None:
    with pytest.raises(ModelError, match="cannot work on an input of 3 × 8 × 16 × 16"):
        told = {**_PREPROCESSING, "channels": 3, "mean": (0.5,) * 3, "std": (0.5,) * 3}
        engine.load(_Finder(), preprocessing=told)
    with pytest.raises(ModelError, match="'depth': … where it reads volumes"):
        engine.load(_Finder(), preprocessing={"input_size": (16, 16), "channels": 1})


def test_a_network_that_has_no_memory_for_it_says_so(engine: Engine) -> None:
    class Greedy(_Finder):
        greedy = False

        def forward(self, volumes: torch.Tensor) -> torch.Tensor:
            if self.greedy:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 99 bytes.")
            return super().forward(volumes)

    loaded = engine.load(Greedy(), preprocessing=_PREPROCESSING, labels=["nothing", "something"])
    loaded.module.greedy = True  # type: ignore[assignment]
    with pytest.raises(DeviceError, match="memory"):
        engine.explain_volume(_draw()[0], loaded, "grad-cam")


def test_a_slice_has_the_cut_of_the_whole(engine: Engine, finder: LoadedModel) -> None:
    volume, _ = _draw()
    answer = engine.explain_volume(volume, finder, "grad-cam,eigen-cam", target="nothing")
    picture = volume.slice(5, "coronal")
    entry = answer.lay_on(picture)
    assert entry.picture is picture and entry.predictions == answer.predictions
    for heatmap, whole in zip(entry.maps, answer.maps, strict=True):
        cut = whole.cut("coronal", 5)
        assert cut is not None and np.array_equal(heatmap.values, cut.values) and heatmap.box == cut.box
    with pytest.raises(PictureError, match="is no slice of"):
        answer.lay_on(build_volume(np.zeros((6, 8, 8), np.int16)).slice(2))


def test_a_stack_is_one_look_and_its_cuts(engine: Engine, finder: LoadedModel) -> None:
    volume, _ = _draw()
    engine.forget()
    before = engine.passes
    slices = [*engine.explain_stack(volume, finder, "grad-cam,legrad", target="something", first=6)]
    assert engine.passes.forward - before.forward == 1
    assert [answer.index for answer in slices] == [6, 7, 5, 4, 3, 2, 1, 0]
    whole = engine.explain_volume(volume, finder, "grad-cam", target="something")
    for answer in slices:
        cut = whole.maps[0].cut("stack", answer.index)
        assert cut is not None and np.array_equal(answer.maps["grad-cam"].values, cut.values)
        assert answer.probability == whole.predictions[0].probability and "legrad" in answer.unavailable


def test_a_slice_beside_the_input_says_so(engine: Engine) -> None:
    short = engine.load(_Finder(), preprocessing={**_PREPROCESSING, "depth": 4})
    slices = {one.index: one for one in engine.explain_stack(_draw()[0], short, "grad-cam")}
    assert set(slices[4].maps) == {"grad-cam"} and not slices[0].maps
    assert slices[0].unavailable["grad-cam"].startswith("The model was not shown this slice")


@pytest.fixture
def few_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two phantoms to compare with: drawing them takes longest."""
    monkeypatch.setattr("explain.engine.strangers.FEWEST_OTHERS", 2)


@pytest.mark.usefixtures("few_others")
def test_maps_of_a_volume_are_judged_by_what_hiding_blocks_does(engine: Engine, finder: LoadedModel) -> None:
    volume, _ = _draw()
    said = [*engine.judge_volume(volume, finder, "grad-cam,eigen-cam", "last", "something")]
    first, last = said[0], said[-1]
    assert set(last) == {"grad-cam/last/1", "eigen-cam/last/1"} and all(one.settled for one in last.values())
    assert not first["grad-cam/last/1"].settled
    assert last["eigen-cam/last/1"].words[0] == "same for other classes"
    one = last["grad-cam/last/1"]
    assert any("one place decides" in missing for missing in one.missing)
    assert any("drawn phantoms" in missing for missing in one.missing)
    passes = engine.passes
    assert [*engine.judge_volume(volume, finder, "grad-cam,eigen-cam", "last", "something")][-1] == last
    assert engine.passes == passes  # all of it is remembered
    answer = engine.explain_volume(volume, finder, "grad-cam", "last", "something", verdicts=True)
    assert answer.verdicts == {"grad-cam/last/1": one}
    cut = answer.lay_on(volume.slice(3, "axial"))
    assert cut.verdicts[cut.maps[0].key] == one
    assert (engine.estimate_verdicts(finder) or 0) > 0


def test_where_a_volume_lies_in_the_input_tells_which_blocks_may_be_hidden(finder: LoadedModel) -> None:
    volume, _ = _draw((2, 0, 1), (1, -1, 1))
    shorter = build_volume(volume.stored[:8], volume.geometry.affine if volume.geometry else None, unit="HU")
    allowed = VolumeSight.of(shorter, finder).allowed  # half as many columns as the model's input has
    assert allowed.shape == (8, 8, 8) and allowed.any((0, 1)).sum() == 4 and allowed.all((0, 1)).sum() == 4


@pytest.mark.usefixtures("few_others")
def test_a_volume_that_is_the_same_everywhere_has_no_parts(engine: Engine, finder: LoadedModel) -> None:
    even = build_volume(np.full((8, 16, 16), 50, np.int16), np.diag((1.0, 1.0, 2.0, 1.0))[:, [2, 1, 0, 3]])
    last = [*engine.judge_volume(even, finder, "hires-cam", "last", "something")][-1]
    assert "The volume is the same everywhere" in last["hires-cam/last/1"].marks[0].sentence
