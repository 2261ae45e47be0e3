"""More passes of the network: in chunks, in turns, to be stopped, and leaving everything as it was."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.errors import Cancelled, MethodError, ModelError
from explain.methods import all_methods, get_method
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.passes import folding
from explain.passes import runner as runner_module
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from explain.passes.look import Ask, look_at
from explain.passes.runner import Runner
from explain.pictures.decode import decode
from explain.pictures.picture import Picture

OWN_PASSES = [method for method in all_methods().values() if "runner" in method.needs]
FAST: dict[str, dict[str, Any]] = {
    "smooth-grad-cam++": {"copies": 4},
    "score-cam": {"channels": 24},
    "ablation-cam": {"channels": 24},
    "rise": {"masks": 40},
    "occlusion": {"window": 40, "stride": 30},
    "integrated-gradients": {"steps": 8},
}
SLOW = {"rise": {"masks": 400}}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


@pytest.fixture(scope="module")
def model(engine: Engine) -> LoadedModel:
    return engine.load("photo-cnn")


@pytest.fixture
def picture(engine: Engine) -> Picture:
    engine.forget()
    path = bundled_pictures()[0].path
    return decode(path.read_bytes(), path.name)


def describe(module: nn.Module) -> list[tuple[Any, ...]]:
    """All that a method could leave behind on a network."""
    return [
        (
            name,
            part.training,
            len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks),
            sorted(vars(part)),
            [(parameter.requires_grad, parameter.grad is None) for parameter in part.parameters(recurse=False)],
            [float(values.double().sum()) for values in part.state_dict().values()],
        )
        for name, part in module.named_modules()
    ]


@pytest.mark.parametrize("method", OWN_PASSES, ids=lambda method: method.name)
def test_through_the_engine(engine: Engine, model: LoadedModel, picture: Picture, method: Any) -> None:
    """Progress only grows, passes are counted, the answer is kept, the same again bit for bit, nothing is left."""
    before, settings = describe(model.module), {method.name: FAST.get(method.name, {})}

    def ask() -> Any:
        shares: list[float] = []
        passes = engine.passes
        explained = engine.explain(
            picture, model, [method.name], settings=settings, progress=lambda share, _text: shares.append(share)
        )
        assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
        return explained.pictures[0], shares, engine.passes - passes

    one, shares, spent = ask()
    assert describe(model.module) == before
    if one.unavailable:
        assert method.name == "fullgrad" and "linear" in one.unavailable["fullgrad"]
        return
    (heatmap,) = one.maps
    assert shares[-1] == 1 and heatmap.passes == spent
    whole = (64, 64) if method.place == "input" or method.name == "guided-grad-cam" else model.default_layer.grid
    assert heatmap.values.shape == whole and np.isfinite(heatmap.values).all() and np.ptp(heatmap.values) > 0
    estimate = method.count_passes(model.default_layer, heatmap.settings)
    assert estimate - 20 <= spent.forward <= estimate + 8

    kept, _, none = ask()
    assert none == Passes() and kept.maps[0].values is heatmap.values
    engine.forget()
    assert ask()[0].maps[0].values.tobytes() == heatmap.values.tobytes()


def test_cancel_stops_within_a_chunk(engine: Engine, model: LoadedModel, picture: Picture) -> None:
    before, cancel = describe(model.module), threading.Event()
    engine.explain(picture, model, ["grad-cam"])
    passes = engine.passes

    def stop_soon(share: float, _text: str) -> None:
        if share > 0:
            cancel.set()

    with pytest.raises(Cancelled):
        engine.explain(picture, model, ["rise"], settings=SLOW, progress=stop_soon, cancel=cancel)
    assert (engine.passes - passes).forward == folding.PASSES + runner_module._MOST_AT_ONCE_CPU
    assert describe(model.module) == before
    (heatmap,) = engine.explain(picture, model, ["rise"], settings={"rise": {"masks": 20}}).pictures[0].maps
    assert heatmap.passes.forward == 20


def test_two_who_ask_the_same_share_one_computation(engine: Engine, model: LoadedModel, picture: Picture) -> None:
    engine.explain(picture, model, ["grad-cam"])
    passes = engine.passes

    def ask() -> Any:
        return engine.explain(picture, model, ["rise"], settings={"rise": {"masks": 60}}).pictures[0].maps[0]

    with ThreadPoolExecutor(3) as pool:
        maps = [asked.result() for asked in [pool.submit(ask) for _ in range(3)]]
    assert engine.passes - passes == Passes(60, 0)
    assert sorted(heatmap.passes.forward for heatmap in maps) == [0, 0, 60]
    assert all(heatmap.values is maps[0].values for heatmap in maps)


def test_others_are_answered_meanwhile(engine: Engine, model: LoadedModel, picture: Picture) -> None:
    other = bundled_pictures()[1].path
    started, cancel, ended, answered = (threading.Event() for _ in range(4))

    def go_slowly(share: float, _text: str) -> None:
        if share:
            started.set()
        if share > 0.9:  # a quick machine does not come to an end before the others had their turn
            answered.wait(60)

    def ask_slowly() -> None:
        try:
            engine.explain(
                picture,
                model,
                ["rise"],
                settings={"rise": {"masks": 8000}},
                progress=go_slowly,
                cancel=cancel,
            )
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask_slowly)
        assert started.wait(60)
        try:
            for _ in range(3):
                engine.explain(other, model, ["grad-cam"])
            assert not ended.is_set()
        finally:
            cancel.set()
            answered.set()
        assert isinstance(slow.exception(60), Cancelled)


@pytest.mark.parametrize("method", OWN_PASSES, ids=lambda method: method.name)
def test_a_network_that_fails_is_left_as_it_was(engine: Engine, model: LoadedModel, method: Any) -> None:
    module, picture = model.module, torch.randn(1, 3, 64, 64)
    layer, ask = model.default_layer, Ask(0)
    (look,) = look_at(module, picture, (layer,), (ask,))
    broken = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    runner = Runner(module, picture, layer, 0, "logit", threading.RLock())
    capture = LayerCapture(
        layer, 0, look.logits, look.activations[layer.name], look.gradients[layer.name, ask], runner=runner
    )

    def fail(_module: nn.Module, _inputs: Any) -> None:
        raise ArithmeticError("broken")

    handle = broken.register_forward_pre_hook(fail)
    before = describe(module)
    try:
        with pytest.raises((ArithmeticError, MethodError)), torch.no_grad():
            method.function(capture, method.settings(**FAST.get(method.name, {})))
        assert describe(module) == before
    finally:
        handle.remove()


class Sum(nn.Module):
    """Two scores: the sum of the picture and its negative. Has room for so many pictures only."""

    def __init__(self, room: int = 10**6, message: str = "CUDA out of memory.") -> None:
        super().__init__()
        self.last = nn.Identity()
        self.room = room
        self.message = message
        self.batches: list[int] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > self.room:
            raise RuntimeError(self.message)
        self.batches.append(len(pictures))
        total = self.last(pictures).sum((1, 2, 3))
        return torch.stack([total, -total], 1)


def make_runner(module: Sum, **others: Any) -> Runner:
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    return Runner(module.eval(), picture, Layer("last", (3, 4), 1, "NCHW"), 1, others.pop("score", "logit"), **others)


def scale(runner: Runner) -> Callable[[range], torch.Tensor]:
    return lambda rows: torch.cat([runner.picture * row for row in rows])


@pytest.mark.parametrize("room", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory.",
        "DefaultCPUAllocator: can't allocate memory: you tried",
        "[enforce fail] not enough memory",
    ],
)
def test_chunks_that_do_not_fit_are_halved(room: int, message: str) -> None:
    module = Sum(room, message)
    told: list[Passes] = []
    runner = make_runner(module, count=told.append)
    scores = runner.scores(scale(runner), 20)
    assert torch.allclose(scores, -66.0 * torch.arange(20))
    assert max(module.batches) <= room and sum(module.batches) == 20
    assert runner.spent == sum(told, Passes()) == Passes(20, 0)
    assert torch.allclose(runner.input_gradients(scale(runner)(range(20))), torch.tensor(-1.0))
    gradients = torch.cat(list(runner.layer_gradients(scale(runner), 20)))
    assert torch.allclose(gradients, torch.tensor(-1.0)) and len(gradients) == 20
    assert runner.spent == Passes(60, 40)


def test_what_does_not_fit_even_alone_is_a_sentence() -> None:
    runner = make_runner(Sum(0))
    with pytest.raises(ModelError, match="does not fit the memory even for one picture"):
        runner.scores(scale(runner), 20)


def test_another_error_is_not_taken_for_lack_of_memory() -> None:
    runner = make_runner(Sum(0, "mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        runner.scores(scale(runner), 20)


def test_takes_turns_for_each_chunk() -> None:
    class Turn:
        taken = 0

        def __enter__(self) -> None:
            self.taken += 1

        def __exit__(self, *_error: Any) -> None:
            pass

    turn = Turn()
    module = Sum()
    runner = make_runner(module, turn=turn)
    runner.scores(scale(runner), 3 * runner_module._MOST_AT_ONCE_CPU + 1)
    assert turn.taken == len(module.batches) == 4


def test_scores_after_the_layer() -> None:
    runner = make_runner(Sum())

    def change(maps: torch.Tensor, rows: range) -> None:
        assert maps.shape == (len(rows), 1, 3, 4)
        for row, number in enumerate(rows):
            maps[row] *= number

    assert torch.allclose(runner.scores_after(change, 300), -66.0 * torch.arange(300))
    probability = make_runner(Sum(), score="probability").scores_after(lambda maps, _rows: maps.mul_(1e-2), 1)
    assert torch.allclose(probability, torch.tensor([0.66, -0.66]).softmax(0)[1])


def test_no_pictures_are_no_scores() -> None:
    runner = make_runner(Sum())
    assert runner.scores(scale(runner), 0).shape == (0,)


def test_under_a_callers_inference_mode() -> None:
    runner = make_runner(Sum())
    with torch.inference_mode():
        assert torch.allclose(runner.input_gradients(scale(runner)(range(3))), torch.tensor(-1.0))
        assert torch.allclose(torch.cat(list(runner.layer_gradients(scale(runner), 3))), torch.tensor(-1.0))
        assert len(runner.scores_after(lambda maps, _rows: maps.mul_(2), 3)) == 3
    assert runner.spent.backward == 6


def test_names_are_known() -> None:
    assert {method.name for method in OWN_PASSES} >= set(FAST)
    assert all(method.count_passes is not None for method in OWN_PASSES)
    assert get_method("score-cam").group == get_method("rise").group == "gradient-free"
