"""Fine-tuning: what is frozen stays, a stopped run ends where one in one go does, and what ships is a plain file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import typer

from explain.bundled.making.fine_tune import RECIPES, FineTuning, build, find_loss, finish, main, make_round, tune
from explain.bundled.making.scans import Scans
from explain.bundled.models import MODELS_FOLDER, bundled_models
from tests.support.scan_files import write_sets

SHIPPED = [model.name for model in bundled_models() if model.name in RECIPES]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Scans:
    folder = tmp_path_factory.mktemp("scans")
    write_sets(folder)
    return Scans(folder, "scan-mri")


def test_a_network_begins_with_the_weights_of_the_one_that_knows_a_thousand_things() -> None:
    network = build("scan-mri", MODELS_FOLDER)
    before = safetensors.torch.load_file(MODELS_FOLDER / "imagenet-cnn.safetensors")
    own = network.state_dict()
    assert all(
        torch.equal(own[key], before[key].float()) for key in own if key.startswith(("conv_stem", "bn1", "blocks"))
    )
    assert not own["classifier.weight"].any()
    learning = {key for key, parameter in network.named_parameters() if parameter.requires_grad}
    assert not any(key.startswith(("conv_stem", "bn1", "blocks.0", "blocks.3")) or "conv_dw" in key for key in learning)
    assert {"blocks.4.0.conv_pw.weight", "conv_head.weight", "classifier.bias"} <= learning


@pytest.mark.slow
def test_scores_are_the_means_of_what_the_cells_add(source: Scans) -> None:
    network = build("scan-mri", MODELS_FOLDER)
    torch.nn.init.normal_(network.classifier.weight, std=0.05)
    round_ = make_round(network, source, source.read("train"), RECIPES["scan-mri"], 0)
    assert round_.features.shape == (1, 6, 80, 12, 12) and round_.near.shape == (6, 12, 12)
    scores, evidence = finish(network, round_.features[0])
    centred = scores - network.classifier.bias
    centred = centred - centred.mean(1, keepdim=True)
    assert torch.allclose(evidence.mean((2, 3)), centred, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        whole = network.classifier(
            network.global_pool(network.bn2(network.conv_head(network.blocks[4:](round_.features[0]))))
        )
    assert torch.allclose(scores, whole.float(), atol=0.05)


@pytest.mark.slow
def test_hidden_and_exchanged_tumours_and_evidence_elsewhere_cost(source: Scans) -> None:
    network = build("scan-mri", MODELS_FOLDER)
    torch.nn.init.normal_(network.classifier.weight, std=0.1)
    recipe = RECIPES["scan-mri-tumour"]
    views = make_round(network, source, source.read("train"), recipe, 0)
    assert len(views.features) == 3
    chosen = torch.arange(6)
    losses = [
        find_loss(network, views, chosen, replace(recipe, hidden=one, exchanged=two, outside=three)).item()
        for one, two, three in ((1e-9, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    assert min(losses[1:]) > losses[0]


@pytest.mark.slow
def test_a_stopped_run_ends_where_one_in_one_go_does(source: Scans, tmp_path: Path) -> None:
    recipe = replace(RECIPES["scan-mri-tumour"], start="imagenet-cnn", epochs=2, rounds=2, batch=3)

    def run(state: Path, steps: Any) -> torch.Tensor:
        return tune("scan-mri", recipe, source, MODELS_FOLDER, state, steps).state_dict()["classifier.weight"]

    whole = run(tmp_path / "whole.pt", lambda line: None)

    def stop(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(tmp_path / "parts.pt", stop)
    assert torch.equal(run(tmp_path / "parts.pt", lambda line: None), whole)


def test_the_last_layer_alone_learns_what_it_can(tmp_path: Path) -> None:
    write_sets(tmp_path)
    source = Scans(tmp_path, "chest-xray")
    network = tune("chest-xray", RECIPES["chest-xray"], source, MODELS_FOLDER, tmp_path / "none.pt", lambda line: None)
    examples = source.read("train")
    with torch.inference_mode():
        assert (network(source.view(examples.pictures)).argmax(1) == examples.classes).all()
    before = build("chest-xray", MODELS_FOLDER).state_dict()
    changed = {key for key, tensor in network.state_dict().items() if not torch.equal(tensor, before[key])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_a_model_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="no recipe for photo-cnn"):
        main("photo-cnn", tmp_path, tmp_path, tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_recipes_in_the_files_are_those_of_the_command(name: str) -> None:
    with safetensors.safe_open(MODELS_FOLDER / f"{name}.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    # What a file does not name was added later, and was as the default is.
    assert {**asdict(FineTuning(0)), **recipe} == asdict(RECIPES[name])


def test_the_files_are_small() -> None:
    sizes = {model.name: (MODELS_FOLDER / model.weights).stat().st_size for model in bundled_models()}
    assert max(sizes[name] for name in SHIPPED) < 10e6
