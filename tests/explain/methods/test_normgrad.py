"""NormGrad against the outer products whose norms it takes, and against autograd of the layers it puts in."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.passes.count import Passes
from explain.pictures.geometry import prepare
from tests.support.engine import build_model, make_picture, spend

INSERTED = ["convolution", "scaling", "bias"]


def norms_slowly(activations, gradients, inserted, positive=False):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            x, g = activations[:, i, j], gradients[:, i, j]
            if inserted == "wide convolution":
                around = [(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
                x = [
                    activations[b, k, m]
                    for b in range(channels)
                    for k, m in around
                    if 0 <= k < rows and 0 <= m < columns
                ]
            entries = []
            for a in range(channels):
                if "convolution" in inserted:
                    entries += [g[a] * one for one in x]  # the weight's gradient is the outer product
                else:
                    entries.append(g[a] * (x[a] if inserted == "scaling" else 1))
            cam[i, j] = sum(entry**2 for entry in entries if entry > 0 or not positive) ** 0.5
    return cam


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("inserted", [*INSERTED, "wide convolution"])
def test_equals_the_paper_written_out(random_maps, inserted, positive, make_capture, draw):
    expected = norms_slowly(*random_maps, inserted, positive)
    found = draw("normgrad", make_capture(*random_maps), inserted=inserted, positive=positive).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("inserted", INSERTED)
def test_is_the_weight_gradient_of_the_inserted_layer_at_one_place(inserted, make_capture, draw):
    """An identity layer is put in for one place alone, and the gradient of its own weights is taken."""
    torch.manual_seed(0)
    activations = torch.randn(5, 3, 4)

    def score(maps):
        return (maps.tanh() * torch.arange(60.0).reshape(5, 3, 4).cos()).sum()

    whole = activations.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(score(whole), whole)
    found = draw("normgrad", make_capture(activations.numpy(), gradients.numpy()), inserted=inserted).values
    for i in range(3):
        for j in range(4):
            start = {"convolution": torch.eye(5), "scaling": torch.ones(5), "bias": torch.zeros(5)}[inserted]
            weight = start.requires_grad_()
            x = activations[:, i, j]
            y = weight @ x if inserted == "convolution" else weight * x if inserted == "scaling" else x + weight
            place = torch.zeros(3, 4)
            place[i, j] = 1
            (gradient,) = torch.autograd.grad(score(activations * (1 - place) + y[:, None, None] * place), weight)
            assert found[i, j].item() == pytest.approx(gradient.norm().item(), rel=1e-4)


def test_the_wide_layer_is_a_convolution_whose_weights_would_be_trained(make_capture, draw):
    """Put in for one place alone, an identity of 3×3 weights has a gradient of that norm."""
    torch.manual_seed(1)
    activations = torch.randn(4, 3, 5)

    def score(maps):
        return (maps.tanh() * torch.arange(60.0).reshape(4, 3, 5).cos()).sum()

    whole = activations.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(score(whole), whole)
    capture = make_capture(activations.numpy(), gradients.numpy())
    found = draw("normgrad", capture, inserted="wide convolution").values
    for i in range(3):
        for j in range(5):
            weight = torch.zeros(4, 4, 3, 3)
            weight[range(4), range(4), 1, 1] = 1
            weight.requires_grad_()
            place = torch.zeros(3, 5)
            place[i, j] = 1
            put_in = torch.nn.functional.conv2d(activations[None], weight, padding=1)[0]
            (gradient,) = torch.autograd.grad(score(activations * (1 - place) + put_in * place), weight)
            assert found[i, j].item() == pytest.approx(gradient.norm().item(), rel=1e-4)


def test_it_says_where_it_knows_no_class(make_capture, draw):
    activations, gradient = np.random.default_rng(0).random((2, 5, 3, 4))
    even = make_capture(activations, np.broadcast_to(gradient[:, :1, :1], activations.shape))
    assert "same for every class" in draw("normgrad", even).warnings[0]
    assert not draw("normgrad", even, inserted="scaling").warnings
    assert not draw("normgrad", make_capture(activations, gradient)).warnings


def build_trained_copy(module, picture, target, length):
    """The oracle: another network, whose weights are written after an ordinary step of SGD."""
    trained = copy.deepcopy(module).requires_grad_(True)
    torch.nn.functional.cross_entropy(trained(picture.clone()), torch.tensor([target])).backward()
    torch.optim.SGD(trained.parameters(), lr=length).step()
    return trained.requires_grad_(False)


@pytest.mark.parametrize("layer", ["layer2", "layer4"])
def test_after_a_training_step_it_is_the_map_of_a_copy_trained_by_hand(layer):
    model, picture = build_model("cnn"), make_picture()
    engine, before = Engine("cpu"), copy.deepcopy(model.module.state_dict())
    tensor = prepare(picture, model.preprocessing).tensor
    settings = {"normgrad": {"step": 0.05}}
    plain, stepped = (
        engine.explain(picture, model, "normgrad", layer, 2, given).pictures[0].maps[0] for given in ({}, settings)
    )
    trained = replace(model, module=build_trained_copy(model.module, tensor, 2, 0.05), fingerprint="trained")
    (expected,) = engine.explain(picture, trained, "normgrad", layer, 2).pictures[0].maps
    assert np.allclose(stepped.values, expected.values, rtol=1e-4, atol=1e-5 * expected.values.max())
    assert not np.allclose(plain.values, stepped.values, rtol=1e-2)
    for name, values in model.module.state_dict().items():
        assert torch.equal(values, before[name]), name
    assert all(not values.requires_grad and values.grad is None for values in model.module.parameters())


def test_a_step_takes_passes_of_its_own_once_and_none_by_default():
    model, picture, engine = build_model("cnn"), make_picture(), Engine("cpu")
    ask = partial(engine.explain, picture, model, ["grad-cam", "normgrad"], "layer4", 2)
    assert spend(engine, ask) == Passes(1, 1)
    assert spend(engine, partial(ask, {"normgrad": {"step": 0.0}})) == Passes()
    assert spend(engine, partial(ask, {"normgrad": {"step": 0.01}})) == Passes(2, 2)
    assert spend(engine, partial(ask, {"normgrad": {"step": 0.01, "positive": True}})) == Passes()
    alone = Engine("cpu")
    assert spend(
        alone, lambda: alone.explain(picture, model, "normgrad", settings={"normgrad": {"step": 0.01}})
    ) == Passes(3, 2)


def test_a_value_is_no_class_to_train_for():
    model = replace(build_model("cnn", labels=("age",)), outputs="value")
    entry = Engine("cpu").explain(make_picture(), model, "normgrad", settings={"normgrad": {"step": 0.01}}).pictures[0]
    assert not entry.maps and "a value" in entry.unavailable["normgrad"]
