"""CAMscope's measures beside those of public libraries: equal wherever both define one in the same way.

What is known to be wrong in them is gone round: Quantus takes areas by a function that NumPy no longer has, so that its
curves are compared. It hides single pixels, so that here a cell is one.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explain.faithfulness.bank import Bank
from explain.faithfulness.changes import STEPS, Changes, apply, hide_in_steps
from explain.faithfulness.imputation import fill_hole
from explain.faithfulness.measures import MEASURES
from explain.faithfulness.probe import draw_masks
from explain.methods.occlusion import Fill, make_baseline
from explain.networks.torchvision_operators import declare_missing_operators
from tests.support.removal import build_examined, build_picture

declare_missing_operators()
SEEDS = range(3)


class Small(nn.Module):
    """A network for pictures of 8 × 8 pixels in one or three channels, with three classes."""

    def __init__(self, seed: int, channels: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, channels * 64, generator=generator) / 4, requires_grad=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.tanh(pictures).flatten(1) @ self.weight.T


class Answering(nn.Module):
    """A network's probabilities: with a softmax of its own, Quantus refuses the network as being trained."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.network(pictures).softmax(1)


class Extractor:
    """Gives out the map that it was made for, as torch-cam's do."""

    def __init__(self, network: nn.Module, shown: np.ndarray) -> None:
        self.model = network
        self._shown = torch.from_numpy(shown).float()[None]

    def __call__(self, *_: object) -> list[torch.Tensor]:
        return [self._shown]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()

    def fuse_cams(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return maps[0]


def ask(network: nn.Module, picture: torch.Tensor, changes: Changes, target: int) -> np.ndarray:
    return network(apply(picture, changes, 0)).softmax(1)[:, target].double().numpy()


def test_the_harmonic_fill_equals_pytorch_grad_cams() -> None:
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    picture = np.random.default_rng(1).standard_normal((40, 40, 3)).astype(np.float32)
    hole = np.kron(draw_masks(3, 1)[0], np.ones((5, 5))) > 0
    theirs = road.NoisyLinearImputer(noise=0)(
        torch.from_numpy(picture).permute(2, 0, 1), torch.from_numpy((~hole).astype(np.float32))
    )
    ours = fill_hole(picture, hole, tolerance=1e-6)
    assert np.abs(ours - theirs.permute(1, 2, 0).numpy()).max() < 3e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_average_drop_and_increase_equal_torch_cams(seed: int) -> None:
    metrics = pytest.importorskip("torchcam.metrics")
    network, examined = Small(seed), build_examined(seed)
    picture = torch.from_numpy(build_picture(seed)).permute(2, 0, 1)[None]
    target = 1
    metric = metrics.ClassificationMetric(Extractor(network, examined.shown), lambda scores: scores.softmax(1))
    metric.update(picture, class_idx=target)
    theirs = metric.summary()
    (changes,) = MEASURES["average drop"].asks(examined)
    found = ask(network, picture, changes, target)
    assert MEASURES["average drop"].function(examined, found) / 100 == pytest.approx(theirs["avg_drop"], abs=1e-5)
    assert MEASURES["increase"].function(examined, found) / 100 == pytest.approx(theirs["conf_increase"], abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "fill"), [("deletion", "grey"), ("deletion to blur", "blur"), ("insertion", "blur")])
def test_deletion_and_insertion_equal_torch_cams(seed: int, name: str, fill: Fill) -> None:
    metrics = pytest.importorskip("torchcam.metrics")
    network, examined, target = Small(seed), build_examined(seed), 1
    # Equal cells are in an order drawn by lot here, and in that of the rows there: let none be equal.
    examined = replace(examined, cells=np.random.default_rng(seed).permutation(64).reshape(8, 8) / 64)
    picture = torch.from_numpy(build_picture(seed)).permute(2, 0, 1)[None]
    metric = metrics.DeletionInsertionMetric(
        Extractor(network, examined.cells),
        lambda scores: scores.softmax(1),
        steps=STEPS,
        baseline=lambda given: make_baseline(given, fill),
    )
    metric.update(picture, class_idx=target)
    theirs = metric.summary()
    (changes,) = MEASURES[name].asks(examined)
    ours = MEASURES[name].function(examined, ask(network, picture, changes, target))
    assert ours == pytest.approx(theirs["insertion_auc" if name == "insertion" else "deletion_auc"], abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_curve_equals_quantus_region_perturbation(seed: int) -> None:
    """Their regions are cells of one pixel, the most marked first, one after another, filled with black."""
    quantus = pytest.importorskip("quantus")
    network, target = Small(seed, channels=1), 2
    dice = np.random.default_rng(seed)
    picture = dice.standard_normal((1, 1, 8, 8)).astype(np.float32)
    cells = dice.permutation(64).reshape(8, 8).astype(np.float64) / 64
    metric = quantus.PixelFlipping(
        features_in_step=8,
        perturb_baseline="black",
        perturb_func=lambda arr, indices, **_: _fill(arr, indices),
        disable_warnings=True,
        abs=False,
        normalise=False,
    )
    theirs = metric(
        model=Answering(network).eval(),
        x_batch=picture,
        y_batch=np.array([target]),
        a_batch=cells[None, None],
        device="cpu",
        softmax=False,
    )[0]
    changes = hide_in_steps(cells, np.ones((8, 8), bool), seed, "grey", "most")
    ours = ask(network, torch.from_numpy(picture), changes, target)
    assert np.allclose(np.ravel(theirs), ours[1:], atol=1e-5)


def _fill(values: np.ndarray, indices: object) -> np.ndarray:
    filled = np.array(values, copy=True)
    rows = np.arange(len(filled))[:, None]
    filled.reshape(len(filled), -1)[rows, np.asarray(indices).reshape(len(filled), -1)] = 0
    return filled


@pytest.mark.parametrize("seed", SEEDS)
def test_sparseness_and_complexity_equal_quantus(seed: int) -> None:
    quantus = pytest.importorskip("quantus")
    examined = build_examined(seed)
    given = {
        "model": Small(seed, channels=1).eval(),
        "x_batch": np.zeros((1, 1, 8, 8), np.float32),
        "y_batch": np.array([0]),
        "a_batch": examined.cells[None, None],
        "device": "cpu",
    }
    for name, peer in (("sparseness", quantus.Sparseness), ("complexity", quantus.Complexity)):
        theirs = peer(disable_warnings=True, abs=False, normalise=False)(**given)[0]
        assert MEASURES[name].function(examined) == pytest.approx(float(theirs), abs=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_infidelity_equals_captums(seed: int) -> None:
    """Captum averages over masks that it is given one by one; ours is divided by the mean squared fall."""
    metrics = pytest.importorskip("captum.metrics")
    network, examined, target = Small(seed), build_examined(seed), 1
    picture = torch.from_numpy(build_picture(seed)).permute(2, 0, 1)[None]
    masks = draw_masks(seed, 32)
    with torch.no_grad():
        whole = network(picture)
        answers = network(torch.cat([picture * torch.from_numpy(~mask) for mask in masks]))
    bank = Bank("grey", masks, answers.double().numpy(), whole[0].double().numpy(), np.zeros(3))
    examined = replace(examined, bank=bank, target=target)
    used = iter(masks)

    def perturb(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.from_numpy(np.stack([next(used) for _ in inputs]))[:, None].expand_as(inputs)
        # What is multiplied with the map is the mask itself: the map says what hiding a cell takes away.
        return chosen.float() / inputs.shape[1], torch.where(chosen, torch.zeros_like(inputs), inputs)

    attributed = torch.from_numpy(examined.cells).float().expand_as(picture)
    theirs = metrics.infidelity(
        network, perturb, picture, attributed, target=target, n_perturb_samples=32, normalize=True
    )
    falls = bank.find_falls(target)
    assert MEASURES["infidelity"].function(examined) == pytest.approx(float(theirs) / (falls**2).mean(), rel=1e-3)
