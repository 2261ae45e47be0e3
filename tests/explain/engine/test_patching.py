"""Parts of a transformer from another picture: against a whole pass each that mixes both pictures' numbers by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from explain.engine.engine import Engine
from explain.errors import MethodError, PictureError
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.passes.patching import list_parts
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from tests.support.engine import build_model, make_picture, spend

TARGET, HEADS, BLOCKS = 2, 4, 3
TWIN = make_picture(7)
PARTS = BLOCKS * (HEADS + 1)


@pytest.fixture(scope="module")
def vit() -> LoadedModel:
    """One whose answers differ widely, so that what parts do is far more than rounding."""
    model = build_model("vit without prompts")
    model.module.get_submodule("head").weight.mul_(40)
    return model


@pytest.fixture(scope="module")
def picture() -> Picture:
    return make_picture()


def patch_plainly(vit: LoadedModel, picture: Picture, block: int, head: int | None) -> float:
    """The score in a whole pass, a head's numbers before the projection or the MLP's after it being the twin's."""
    module = vit.module.get_submodule(f"blocks.{block}.mlp" if head is None else f"blocks.{block}.attn.proj")
    kept: list[Tensor] = []
    read = module.register_forward_hook(lambda _m, inputs, output: kept.append(output if head is None else inputs[0]))
    with torch.no_grad():
        vit.module(prepare(TWIN, vit.preprocessing).tensor)
        read.remove()

        def mix(_module: object, inputs: tuple[Tensor]) -> tuple[Tensor]:
            mixed = inputs[0].clone().unflatten(-1, (HEADS, -1))
            mixed[..., head, :] = kept[0].unflatten(-1, (HEADS, -1))[..., head, :]
            return (mixed.flatten(-2),)

        if head is None:
            handle = module.register_forward_hook(lambda _m, _inputs, _output: kept[0])
        else:
            handle = module.register_forward_pre_hook(mix)
        answers = vit.module(prepare(picture, vit.preprocessing).tensor)[0]
        handle.remove()
    return float(answers[TARGET])


def score(vit: LoadedModel, picture: Picture) -> float:
    with torch.no_grad():
        return float(vit.module(prepare(picture, vit.preprocessing).tensor)[0, TARGET])


def test_it_equals_whole_passes_that_mix_two_pictures_by_hand(vit: LoadedModel, picture: Picture) -> None:
    found = Engine("cpu").measure_patches(picture, vit, TWIN, TARGET)
    whole = score(vit, picture)
    assert found.whole.score == pytest.approx(whole, abs=1e-4)
    assert found.other.score == pytest.approx(score(vit, TWIN), abs=1e-4)
    assert len(found.names) == PARTS and found.measured.all() and found.agreement is None
    for number, part in enumerate(list_parts(vit.module)):
        assert found.names[number] == part.name
        expected = whole - patch_plainly(vit, picture, part.block, part.head)
        assert found.falls[number] == pytest.approx(expected, abs=2e-4), part.name
    assert np.abs(found.falls).max() > 0.1


def test_all_parts_together_leave_of_this_picture_only_its_patches(vit: LoadedModel, picture: Picture) -> None:
    """What the blocks add is the twin's; what they add it to is still this picture's."""
    engine = Engine("cpu")
    found = engine.measure_patches(picture, vit, TWIN, TARGET)
    module = vit.module
    with torch.no_grad():
        own, other = (prepare(one, vit.preprocessing).tensor for one in (picture, TWIN))
        starts = [
            module.norm_pre(module.patch_drop(module._pos_embed(module.patch_embed(one)))) for one in (own, other)
        ]
        end = starts[1]
        for block in module.blocks:
            end = block(end)
        answers = module.forward_head(module.norm(end - starts[1] + starts[0]))[0]
    assert found.whole.score - found.together == pytest.approx(float(answers[TARGET]), abs=2e-4)


def test_passes_are_counted_and_never_run_twice(vit: LoadedModel, picture: Picture) -> None:
    engine, told = Engine("cpu"), list[float]()
    modules = 2 * BLOCKS
    spent = spend(
        engine,
        lambda: engine.measure_patches(picture, vit, TWIN, TARGET, progress=lambda share, _: told.append(share)),
    )
    # Two looks, what the parts of both give, all together, and a pass of what follows for each; to record each module,
    # and once for each module which way its tail runs.
    assert 0 <= spent.forward - (2 + 2 + 1 + PARTS + modules) <= 6 * modules and spent.backward == 0
    assert told == sorted(told) and told[-1] == pytest.approx(1)
    assert spend(engine, lambda: engine.measure_patches(picture, vit, TWIN, TARGET)) == Passes()
    assert spend(engine, lambda: engine.measure_patches(picture, vit, TWIN, 3)) == Passes()


def test_of_very_many_parts_a_sample_is_run_and_the_gradient_estimates_the_rest(
    vit: LoadedModel, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = Engine("cpu").measure_patches(picture, vit, TWIN, TARGET)
    monkeypatch.setattr("explain.faithfulness.patching.MOST_EXACT", PARTS - 1)
    monkeypatch.setattr("explain.faithfulness.patching.SAMPLED", 6)
    engine = Engine("cpu")
    found = engine.measure_patches(picture, vit, TWIN, TARGET)
    assert found.measured.sum() == 6 and found.falls[found.measured] == pytest.approx(
        exact.falls[found.measured], abs=1e-4
    )
    (part,) = [part for number, part in enumerate(list_parts(vit.module)) if not found.measured[number]][:1]
    assert found.falls[found.names.index(part.name)] == pytest.approx(
        estimate_plainly(vit, picture, part.module, part.head), rel=1e-3
    )
    assert found.agreement is not None and -1 <= found.agreement <= 1 and "estimated" in found.sentence
    assert spend(engine, lambda: engine.measure_patches(picture, vit, TWIN, TARGET)) == Passes()


def estimate_plainly(vit: LoadedModel, picture: Picture, name: str, head: int | None) -> float:
    """The gradient at the head's numbers, or the MLP's output, times how far they change."""
    module = vit.module.get_submodule(name)
    kept: list[Tensor] = []

    def keep(values: Tensor) -> Tensor:
        own = values.detach().clone().requires_grad_(True)
        kept.append(own)
        return own.clone()

    if head is None:
        handle = module.register_forward_hook(lambda _m, _inputs, output: keep(output))
    else:
        handle = module.register_forward_pre_hook(lambda _m, inputs: (keep(inputs[0]),))
    vit.module(prepare(TWIN, vit.preprocessing).tensor)
    answers = vit.module(prepare(picture, vit.preprocessing).tensor)[0]
    handle.remove()
    (gradient,) = torch.autograd.grad(answers[TARGET], kept[1])
    added = gradient * (kept[0] - kept[1])
    if head is not None:
        added = added.unflatten(-1, (HEADS, -1))[..., head, :]
    return -float(added.detach().sum())


def test_what_cannot_be_asked_is_said(vit: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    with pytest.raises(MethodError, match="no heads and MLPs"):
        engine.measure_patches(picture, build_model("cnn"), TWIN)
    with pytest.raises(PictureError, match="the same"):
        engine.measure_patches(picture, vit, picture)
    assert list_parts(build_model("convnext").module) == ()
