"""Models from a file of one's own: what does not fit, preprocessing, and Prompt-CAM's checkpoints."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from explain.errors import ModelError
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.load import load_model
from explain.models.request import build_file_request
from explain.passes.prompts import capture_prompt, look_through_prompts
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare
from tests.support.checkpoints import open_file

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / ".." / "shared" / "data"
SQUEEZENET = DATA / "squeezenet1_0_imagenet.safetensors"


def test_files_that_do_not_fit() -> None:
    weights = build_architecture(parse_architecture("timm/resnet10t"), 5, 3, None).state_dict()
    with pytest.raises(
        ModelError, match=r"“mine\.pt” holds the weights of another architecture than timm/convnext_atto"
    ):
        open_file(weights, "timm/convnext_atto")
    with pytest.raises(ModelError, match="Did you mean timm/resnet10t"):
        open_file(weights, "timm/resnet10tt")
    with pytest.raises(ModelError, match="does not say which library"):
        open_file(weights, "resnet10t")
    with pytest.raises(ModelError, match="torchvision has no architecture “resnet10t”"):
        open_file(weights, "torchvision/resnet10t")
    with pytest.raises(ModelError, match=r"holds weights for 3 channels, not 1"):
        open_file(weights, "timm/resnet10t", channels=1)
    weights["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"NaN.*layer1\.0\.conv1\.weight"):
        open_file(weights, "timm/resnet10t")


def test_of_a_checkpoint_of_t_tames_authors_the_network_is_read_and_of_the_attention_it_is_said() -> None:
    weights = build_architecture(parse_architecture("timm/resnet10t"), 5, 3, None).state_dict()
    twice = {f"generic.{at}body.{key}": value for at in ("", "arrangement.") for key, value in weights.items()}
    attention = {
        "generic.attn_mech.convs.0.weight": torch.ones(64, 64, 1, 1),
        "generic.attn_mech.fuser.bias": torch.ones(5),
    }
    model = open_file({**twice, **attention}, "timm/resnet10t")
    assert torch.equal(model.module.state_dict()["conv1.0.weight"], weights["conv1.0.weight"])
    assert any("as T-TAME's authors keep it, which is not read: train some" in note for note in model.notes)


def test_preprocessing_of_files() -> None:
    weights = build_architecture(parse_architecture("torchvision/squeezenet1_1"), 3, 3, None).state_dict()
    own = open_file(weights, "torchvision/squeezenet1_1").preprocessing
    assert own == Preprocessing(input_size=(224, 224), resize_size=256)
    changed = open_file(weights, "torchvision/squeezenet1_1", input_size=112, mean=(0.5,), std=(0.2, 0.3, 0.4))
    assert changed.preprocessing == Preprocessing(
        input_size=(112, 112), resize_size=128, mean=(0.5, 0.5, 0.5), std=(0.2, 0.3, 0.4)
    )
    for options, words in (
        ({"mean": (0.5, 0.5)}, "mean has 2 numbers for 3 channels"),
        ({"std": (0.0,)}, "std cannot be 0.0"),
        ({"mean": (float("nan"),)}, "mean cannot be nan"),
        ({"input_size": 4}, "input size cannot be 4"),
        ({"channels": 7}, "channels cannot be 7"),
        ({"input_size": 8}, "cannot work on an input of 8×8"),
    ):
        with pytest.raises(ModelError, match=words):
            open_file(weights, "torchvision/squeezenet1_1", **options)


def write_prompt_cam(
    depth: int, classes: int, architecture: str = "timm/test_vit", seed: int = 1
) -> dict[str, dict[str, torch.Tensor] | int]:
    """A checkpoint as Prompt-CAM's authors save it, with weights so large that every part of it matters."""
    torch.manual_seed(seed)
    backbone = build_architecture(parse_architecture(architecture), 0, 3, 96)
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, 0 if parameter.ndim > 1 else 0.5, 0.2)
    width = backbone.embed_dim
    content = {
        **backbone.state_dict(),
        "vpt.prompt_embeddings": torch.randn(depth, classes, width),
        "head.weight": torch.randn(1, width),
        "head.bias": torch.randn(1),
    }
    return {"model_state_dict": content, "epoch": 7}


def run_authors_forward(state: dict[str, torch.Tensor], x: torch.Tensor, heads: int) -> tuple[Any, Any]:
    """The authors' forward pass, from the tensors of their file alone and in matrix products.

    Scores `(C,)` of one picture `(1, 3, H, W)`, and how its last block's prompts attend to patches, `(heads, C, P)`.
    """

    def norm(tokens: torch.Tensor, name: str) -> torch.Tensor:
        centred = tokens - tokens.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(tokens: torch.Tensor, name: str) -> torch.Tensor:
        return tokens @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    kernel = state["patch_embed.proj.weight"]
    side = kernel.shape[-1]
    patches = [
        kernel.flatten(1) @ x[0, :, top : top + side, left : left + side].flatten() + state["patch_embed.proj.bias"]
        for top in range(0, x.shape[2], side)
        for left in range(0, x.shape[3], side)
    ]
    tokens = torch.cat([state["cls_token"][0], torch.stack(patches)]) + state["pos_embed"][0]
    prompts = state["vpt.prompt_embeddings"]
    classes, depth = prompts.shape[1], 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    outputs = prompts[0]
    for index in range(depth):
        block = f"blocks.{index}"
        if len(prompts) > 1:
            outputs = prompts[index]
        together = torch.cat([outputs, tokens])
        joint = linear(norm(together, f"{block}.norm1"), f"{block}.attn.qkv")
        query, key, value = (part.unflatten(1, (heads, -1)).transpose(0, 1) for part in joint.chunk(3, dim=1))
        weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).exp()
        attention = weights / weights.sum(-1, keepdim=True)
        mixed = (attention @ value).transpose(0, 1).flatten(1)
        together = together + linear(mixed, f"{block}.attn.proj")
        hidden = linear(norm(together, f"{block}.norm2"), f"{block}.mlp.fc1")
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        together = together + linear(hidden, f"{block}.mlp.fc2")
        outputs, tokens = together[:classes], together[classes:]
    scores = norm(outputs, "norm") @ state["head.weight"][0] + state["head.bias"]
    return scores, attention[:, :classes, classes + 1 :]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("deep", [True, False])
def test_prompt_cam_checkpoints_give_the_authors_scores_and_maps(deep: bool, seed: int) -> None:
    content = write_prompt_cam(6 if deep else 1, classes=4, seed=seed)
    model = open_file(content, "timm/test_vit", label_file=b"a\nb\nc\nd")
    assert model.prompted is not None and model.prompted is model.module and model.labels == ("a", "b", "c", "d")
    assert model.preprocessing.input_size == (96, 96)
    assert model.default_layer is not None and model.default_layer.prefix_tokens == 5

    x = torch.randn(1, 3, 96, 96)
    heads = model.prompted.backbone.blocks[-1].attn.num_heads
    with torch.no_grad():
        scores, attention = run_authors_forward(content["model_state_dict"], x, heads)
        assert scores.std() > 0.1 and attention.std() > 1e-3, "a test of nothing"
        assert torch.allclose(model.module(x)[0], scores, rtol=1e-4, atol=1e-4)
        look = look_through_prompts(model.prompted, x)
        assert torch.allclose(look.scores, scores, rtol=1e-4, atol=1e-4)
        for target in range(4):
            maps = capture_prompt(model.prompted, look, target).attention
            assert maps.shape == (heads, 6, 6)
            assert torch.allclose(maps.flatten(1), attention[:, target], rtol=1e-3, atol=1e-6)


def test_prompt_cam_checkpoints_that_do_not_fit() -> None:
    content = write_prompt_cam(6, 4)
    with pytest.raises(ModelError, match=r"need a timm VisionTransformer"):
        open_file(content, "timm/resnet10t")
    whole = content["model_state_dict"]
    for prompts in (torch.randn(3, 4, 64), torch.randn(6, 4, 32), torch.randn(6, 64), torch.randn(6, 0, 64)):
        wrong = {**whole, "vpt.prompt_embeddings": prompts}
        with pytest.raises(ModelError, match=r"takes \(1 or 6, classes, 64\)"):
            open_file(wrong, "timm/test_vit")
    with pytest.raises(ModelError, match=r"prompts in “mine\.pt” do not fit the network: score\.weight"):
        open_file({**whole, "head.weight": torch.randn(4, 64)}, "timm/test_vit")
    del wrong["head.bias"]
    with pytest.raises(ModelError, match=r"lacks head\.bias"):
        open_file(wrong, "timm/test_vit")


@pytest.mark.slow
@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the shared photographs and weights are not on this machine")
def test_squeezenet_recognises_photographs() -> None:
    """Right preprocessing is proved by accuracy: at least 60 % with what is assumed where nothing is said (crop 224).

    The weights' own crop of 227 is torchvision's pipeline to the pixel, on the first photographs.
    """
    from timm.data import ImageNetInfo
    from torchvision.transforms._presets import ImageClassification

    data = SQUEEZENET.read_bytes()
    known = {"architecture": "torchvision/squeezenet1_0", "labels": "imagenet"}
    model = load_model(build_file_request(data, SQUEEZENET.name, **known), data)
    assert model.default_layer is not None and model.default_layer.name == "features.12"
    own = model.preprocessing.model_copy(update={"input_size": (227, 227)})
    classes = ImageNetInfo().label_names()
    files = sorted((DATA / "imagenet").glob("*.JPEG"))
    right = 0
    with torch.inference_mode():
        for index, path in enumerate(files):
            picture = decode(path.read_bytes(), path.name)
            scores = model.module(prepare(picture, model.preprocessing).tensor)
            right += int(scores.argmax()) == classes.index(path.name.partition("_")[0])
            if index < 8:
                theirs = ImageClassification(crop_size=227)(Image.fromarray(picture.pixels))
                assert torch.allclose(prepare(picture, own).tensor[0], theirs, atol=0.05)
    assert right >= 0.60 * len(files) and len(files) > 90, f"{right} of {len(files)}"
