"""ViTs with class prompts: what depends on the prompts, what trains, and what cannot carry them."""

import copy
import math

import pytest
import torch
from torch import nn

from explain.errors import ModelError
from explain.networks.prompted_vit import PromptedViT, Variant, find_backbone_obstacle
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.prompts import look_through_prompts
from tests.support.prompted import CLASSES, make_model

declare_missing_operators()

from timm.models.vision_transformer import ResPostBlock, VisionTransformer  # noqa: E402


@pytest.mark.parametrize("kind", ["deep", "shallow", "last", "last, registers and norms", "layer scale and pre-norm"])
def test_only_the_prompts_rows_of_the_last_block_are_needed(kind: str) -> None:
    """Scores and gradients of the quick way are those of the whole forward pass."""
    model, _ = make_model(kind, 4)
    pictures, labels = torch.randn(3, 3, 24, 24), torch.tensor([0, 3, 1])
    whole, quick = model(pictures), model.finish(model.precompute(pictures))
    assert torch.allclose(whole, quick, atol=1e-5)
    own = [parameter for parameter in model.parameters() if parameter.requires_grad]
    expected = torch.autograd.grad(nn.functional.cross_entropy(whole, labels), own)
    for gradient, wanted in zip(
        torch.autograd.grad(nn.functional.cross_entropy(quick, labels), own), expected, strict=True
    ):
        assert torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6)


def test_an_earlier_block_of_another_kind_is_run_whole() -> None:
    model, picture = make_model("deep", 6)
    model.backbone.blocks[1] = ResPostBlock(16, 4).eval()
    with torch.no_grad():
        whole = model(picture)
        assert torch.allclose(model.finish(model.precompute(picture)), whole, atol=1e-5)
        assert torch.allclose(look_through_prompts(model, picture).scores, whole[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["deep", "shallow", "last"])
def test_what_is_computed_beforehand_does_not_depend_on_the_prompts(kind: str) -> None:
    model, picture = make_model(kind, 5)
    with torch.no_grad():
        before = model.precompute(picture)
        nn.init.normal_(model.prompts)
        assert torch.equal(model.precompute(picture), before)
        tokens = model.embed(picture)
        assert before.shape == ((1, 2, 4, tokens.shape[1], 4) if kind == "last" else tokens.shape)


@pytest.mark.parametrize("kind", ["deep", "shallow", "last"])
def test_only_prompts_and_score_train(kind: str) -> None:
    model, picture = make_model(kind, 0)
    model.train()
    before = copy.deepcopy(model.state_dict())
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"prompts", "score.weight", "score.bias"}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
    nn.functional.cross_entropy(model(picture), torch.tensor([1])).backward()
    optimiser.step()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("backbone."), name
    assert model.prompts.grad.abs().sum((1, 2)).min() > 0  # every block's prompts have a part in the scores


def test_the_backbone_stays_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    backbone = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=8, depth=2, num_heads=2, drop_path_rate=0.5, proj_drop_rate=0.5
    )
    model = PromptedViT(backbone.train(), 3, dropout=0.5).train()
    assert model.training and model.prompt_dropout.training
    assert not any(module.training for module in backbone.modules())
    picture = torch.randn(1, 3, 16, 16)
    assert not torch.equal(model(picture), model(picture))  # dropout on the prompts
    model.eval()
    assert torch.equal(model(picture), model(picture))


@pytest.mark.parametrize("variant", ["deep", "shallow", "last"])
def test_prompts_start_where_the_paper_says(variant: Variant) -> None:
    torch.manual_seed(0)
    backbone = VisionTransformer(img_size=32, patch_size=16, embed_dim=32, depth=4, num_heads=2)
    prompts = PromptedViT(backbone, 50, variant).prompts.detach()
    bound = math.sqrt(6 / (3 * 16 * 16 + 32))
    assert prompts.shape == (4 if variant == "deep" else 1, 50, 32)
    assert prompts.abs().max() <= bound
    assert prompts.abs().max() > 0.99 * bound
    assert float(prompts.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("options", [{"block_fn": ResPostBlock}, {"attn_layer": "diff"}])
def test_another_kind_of_last_block_is_refused(options: dict) -> None:
    backbone = VisionTransformer(img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, **options)
    with pytest.raises(ModelError, match="plain attention block"):
        PromptedViT(backbone, 3)


def test_what_cannot_carry_prompts_is_told_in_a_sentence() -> None:
    from explain.bundled.architectures import build_photo_cnn, build_photo_vit

    assert "plain ViT of timm" in str(find_backbone_obstacle(build_photo_cnn()))
    vit = build_photo_vit()
    assert find_backbone_obstacle(vit) is None
    assert "class prompts already" in str(find_backbone_obstacle(PromptedViT(vit, 3)))


def test_the_backbones_own_head_is_left_alone() -> None:
    model, picture = make_model("deep", 1)
    with torch.no_grad():
        alone = model.backbone(picture)
        model(picture)
        assert torch.equal(model.backbone(picture), alone)
    assert alone.shape == (1, CLASSES)
