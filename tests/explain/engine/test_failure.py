"""A method that fails inside: a sentence in its place, the log has the story, and the maps of the others stand."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from explain.engine.engine import Engine
from explain.engine.failure import excuse
from explain.errors import Cancelled, DeviceError, MethodError, ModelError
from explain.methods import Method, MethodResult, get_method
from explain.models.loaded import LoadedModel
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from tests.support.engine import build_model, make_method, make_picture, values_of

Register = Callable[[Method], Method]


def fail(*_: object) -> MethodResult:
    raise RuntimeError("the inside of it")


def test_one_that_fails_leaves_the_others_bit_for_bit(
    engine: Engine, cnn: LoadedModel, register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    register(make_method("failing", fail))
    pictures = [make_picture(1), make_picture(2)]
    names = ["grad-cam", "failing", "cf-cam", "score-cam"]
    alone = Engine("cpu").explain(pictures, cnn, [name for name in names if name != "failing"])
    answer = engine.explain(pictures, cnn, names)
    assert values_of(answer) == values_of(alone)
    for entry in answer.pictures:
        assert list(entry.unavailable) == ["failing"]
        assert "Failing could not be worked out on this model" in entry.unavailable["failing"]
        assert "inside of it" not in entry.unavailable["failing"]
    assert "the inside of it" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize("kind", ["gradients", "runner"])
def test_what_it_leaves_behind_reaches_nobody(engine: Engine, cnn: LoadedModel, register: Register, kind: str) -> None:
    """It fails halfway through a pass of its own: the network carries no hook of it, and no lock is held."""

    def fail_in_a_pass(capture: LayerCapture, _settings: object) -> MethodResult:
        runner = capture.need_runner()
        runner.expect(4)
        runner.scores(lambda rows: runner.picture.new_zeros(len(rows), 3, 7, 5 // 0), 4)
        raise AssertionError

    register(make_method("failing", fail_in_a_pass if kind == "runner" else fail, "runner", "gradients"))
    picture = make_picture(3)
    assert "failing" in engine.explain(picture, cnn, ["failing"]).pictures[0].unavailable
    for part in cnn.module.modules():
        assert not (part._forward_hooks or part._forward_pre_hooks or part._backward_hooks)
    again = engine.explain(picture, cnn, ["grad-cam", "score-cam"])
    assert values_of(again) == values_of(Engine("cpu").explain(picture, cnn, ["grad-cam", "score-cam"]))


@pytest.mark.parametrize("error", [Cancelled("Stopped."), DeviceError("No memory.")])
def test_what_is_not_its_own_is_raised(engine: Engine, cnn: LoadedModel, register: Register, error: Exception) -> None:
    def stop(*_: object) -> MethodResult:
        raise error

    register(make_method("failing", stop))
    with pytest.raises(type(error)):
        engine.explain(make_picture(), cnn, ["grad-cam", "failing"])


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CPU: can't allocate memory")])
def test_memory_that_is_short_is_said_of_the_device(
    engine: Engine, cnn: LoadedModel, register: Register, error: Exception
) -> None:
    def take(*_: object) -> MethodResult:
        raise error

    register(make_method("failing", take))
    with pytest.raises(DeviceError, match="memory"):
        engine.explain(make_picture(), cnn, ["failing"])


@dataclass(frozen=True)
class Broken:
    """An objective that cannot be differentiated."""

    error: Exception

    def __call__(self, scores: Tensor, target: int) -> Tensor:
        raise self.error


def make_broken(error: Exception) -> Method:
    method = make_method("failing", lambda capture, _: MethodResult(capture.need_gradients().sum(0)))
    return Method(**{**vars(method), "objective": lambda _settings: Broken(error)})


@pytest.mark.parametrize("error", [RuntimeError("no derivative"), MethodError("It has no derivative.")])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_pass_that_only_one_method_needs_may_fail(
    cnn: LoadedModel, register: Register, error: Exception, batch: int
) -> None:
    """What is differentiated for it is differentiated together with the others' at first."""
    register(make_broken(error))
    engine, pictures = Engine("cpu", batch=batch), [make_picture(1), make_picture(2)]
    answer = engine.explain(pictures, cnn, ["grad-cam", "failing", "eigen-cam"], augmentation="flip")
    alone = Engine("cpu").explain(pictures, cnn, ["grad-cam", "eigen-cam"], augmentation="flip")
    assert values_of(answer) == values_of(alone)
    for entry in answer.pictures:
        assert list(entry.unavailable) == ["failing"]
    if isinstance(error, MethodError):
        assert answer.pictures[0].unavailable["failing"] == "It has no derivative."


@pytest.mark.parametrize(
    ("place", "method"),
    [
        ("explain.passes.attention.look_at_attention", "chefer-relevance"),
        ("explain.engine.observer.look_through_prompts", "prompt-cam"),
        ("explain.engine.observer.capture_prompt", "prompt-cam"),
    ],
)
def test_a_look_of_another_kind_may_fail(
    engine: Engine, vit: LoadedModel, monkeypatch: pytest.MonkeyPatch, place: str, method: str
) -> None:
    monkeypatch.setattr(place, fail)
    (entry,) = engine.explain(make_picture(), vit, [method, "grad-cam"]).pictures
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam"]
    assert list(entry.unavailable) == [method]
    assert entry.prompt_predictions == ()


def test_a_network_that_fails_is_no_fault_of_a_method(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("cnn")

    def refuse(*_: object) -> None:
        raise ModelError("Broken.")

    model.module.layer4.register_forward_hook(refuse)
    with pytest.raises(ModelError, match="Broken"):
        engine.explain(make_picture(), model, ["grad-cam", "eigen-cam"])


def test_only_what_nobody_expected_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    method = get_method("grad-cam")
    with caplog.at_level(logging.DEBUG):
        assert excuse(method, MethodError("Not here.")) == "Not here."
        assert caplog.text == ""
        assert excuse(method, ValueError("secret")).startswith("Grad-CAM could not be worked out")
    assert "ValueError: secret" in caplog.text


class BiasedByConstants(nn.Module):
    """Like Swin V2: a small network with a ReLU makes a bias of constants, beside a ReLU that sees the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Sequential(nn.Linear(2, 8), nn.ReLU(inplace=True), nn.Linear(8, 6))
        self.register_buffer("table", torch.randn(4, 2))
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 5)

    def forward(self, pictures: Tensor) -> Tensor:
        bias = self.position(self.table).mean(0)
        return self.head(self.act(self.stem(pictures) + bias[:, None, None]).mean((2, 3)))


@pytest.mark.parametrize("picture_seed", range(3))
def test_a_relu_fed_by_a_constant_does_not_stop_guided_backpropagation(picture_seed: int) -> None:
    from explain.passes.backward import guide

    torch.manual_seed(picture_seed)
    module = BiasedByConstants().eval().requires_grad_(False)
    picture = torch.randn(1, 3, 6, 6)
    found = guide(module, picture, lambda scores: scores[:, 1])
    before = module.stem(picture) + module.position(module.table).mean(0)[:, None, None]
    handed = (module.head.weight[1] / 36).clamp(min=0)[None, :, None, None] * (before > 0)
    expected = torch.nn.functional.conv_transpose2d(handed, module.stem.weight, padding=1)[0]
    assert torch.allclose(found, expected, atol=1e-6)
    assert found.abs().max() > 0


def test_passes_are_counted_as_ever_where_nothing_fails(engine: Engine, cnn: LoadedModel) -> None:
    engine.explain(make_picture(), cnn, ["grad-cam", "shapley-cam", "eigen-cam"])
    assert engine.passes == Passes(1, 2)
