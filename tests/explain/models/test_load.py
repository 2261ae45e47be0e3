"""Models: bundled, from the hub, from a file; what they are called, how they fail, and that preprocessing is right."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from explain.bundled import models as bundled
from explain.bundled.architectures import build_photo_cnn, build_photo_vit
from explain.bundled.class_names import CLASSES
from explain.bundled.making import aviary, photographs
from explain.bundled.models import FIRST_MODEL, FIRST_VIT, bundled_models, find_prompted_twin
from explain.errors import ModelError
from explain.models import load as models
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.hub import search_hub
from explain.models.labels import known_labels, read_labels, shorten_descriptions
from explain.models.load import load_model
from explain.models.request import ModelRequest, build_file_request, parse_model
from explain.networks.prompted_vit import PromptedViT
from explain.passes.prompts import capture_prompt, look_through_prompts
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare

import timm  # isort: skip - after torchvision's operators are declared

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / ".." / "shared" / "data"
SQUEEZENET = DATA / "squeezenet1_0_imagenet.safetensors"


def save(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models' folder with random weights for both bundled networks and the prompts."""
    torch.manual_seed(0)
    for name in ("photo-cnn", "photo-vit"):
        (tmp_path / f"{name}.json").write_bytes((bundled.MODELS_FOLDER / f"{name}.json").read_bytes())
    safetensors.torch.save_file(build_photo_cnn().state_dict(), tmp_path / "photo-cnn.safetensors", {"top1": "92.50"})
    vit = build_photo_vit()
    safetensors.torch.save_file(vit.state_dict(), tmp_path / "photo-vit.safetensors")
    prompts = {k: v for k, v in PromptedViT(vit, 10, "last").state_dict().items() if not k.startswith("backbone.")}
    safetensors.torch.save_file(prompts, tmp_path / "photo-vit-prompts.safetensors")
    monkeypatch.setattr(bundled, "MODELS_FOLDER", tmp_path)
    return tmp_path


def test_bundled_files_describe_what_was_trained() -> None:
    """The JSON files repeat the training's classes and normalisation, because reading them must not import torch."""
    listed = bundled_models()
    assert [model.name for model in listed] == ["photo-cnn", "photo-vit", "birds-cnn", "birds-vit"]
    for model, trained, side in zip(listed, (photographs, photographs, aviary, aviary), (64, 64, 96, 96), strict=True):
        own = model.preprocessing
        assert model.classes == trained.CLASSES and own.mean == trained.MEAN and own.std == trained.STD
        assert own.input_size == (side, side)


def test_what_is_used_where_no_model_is_named_ships() -> None:
    prompted = {model.name: model.prompts for model in bundled_models()}
    assert FIRST_MODEL in prompted and prompted[FIRST_VIT] is not None


def test_listing_models_needs_no_torch() -> None:
    code = (
        "import sys; from explain.models import load, request; request.parse_model('x'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr


def test_bundled_cnn(folder: Path) -> None:
    model = load_model(parse_model("photo-cnn"))
    assert model.labels == CLASSES and model.prompted is None and model.notes == ()
    assert model.default_layer is not None and model.default_layer.grid == (8, 8)
    assert not model.module.training and not any(p.requires_grad for p in model.module.parameters())
    assert bundled_models()[0].accuracy == 92.5 and bundled_models()[1].accuracy is None
    weights = safetensors.torch.load_file(folder / "photo-cnn.safetensors")
    assert all(torch.equal(weights[key], tensor) for key, tensor in model.module.state_dict().items())


@pytest.mark.parametrize(
    "start",
    [
        (2**60).to_bytes(8, "little"),
        b"\x05",
        b"",
        (2).to_bytes(8, "little") + b"[]",
        (32).to_bytes(8, "little") + b'{"__metadata__":{"top1":"best"}}',
    ],
)
def test_a_damaged_weight_file_is_listed_without_its_accuracy(folder: Path, start: bytes) -> None:
    (folder / "photo-cnn.safetensors").write_bytes(start)
    assert [model.name for model in bundled_models()] == ["photo-cnn", "photo-vit"]
    assert bundled_models()[0].accuracy is None


def test_a_bundled_model_may_name_its_best_layer() -> None:
    named = {model.name: model.layer for model in bundled_models() if model.layer is not None}
    assert named
    for name, layer in named.items():
        model = load_model(parse_model(name))
        assert model.default_layer is not None and model.default_layer.name == layer
        assert model.default_layer in model.layers and model.default_layer != model.layers[-1]


def test_bundled_vit_has_prompts_on_the_same_network(folder: Path) -> None:
    model = load_model(parse_model("photo-vit"))
    assert model.prompted is not None and model.prompted.backbone is model.module
    assert not model.prompted.training and not any(p.requires_grad for p in model.prompted.parameters())
    weights = safetensors.torch.load_file(folder / "photo-vit-prompts.safetensors")
    assert torch.equal(model.prompted.prompts, weights["prompts"])
    assert find_prompted_twin(tuple(reversed(CLASSES))) == "photo-vit" and find_prompted_twin(("cat",)) is None


def test_missing_weights_and_prompts(folder: Path) -> None:
    (folder / "photo-vit-prompts.safetensors").unlink()
    model = load_model(parse_model("photo-vit"))
    assert model.prompted is None and "prompts of photo-vit are missing" in model.notes[0]
    assert find_prompted_twin(CLASSES) is None
    (folder / "photo-vit.safetensors").unlink()
    with pytest.raises(ModelError, match=r"photo-vit\.safetensors.*missing"):
        load_model(parse_model("photo-vit"))
    with pytest.raises(ModelError, match="Bundled: photo-cnn, photo-vit"):
        load_model(ModelRequest(source="bundled", name="photo"))


def test_fingerprint_is_the_weights_and_what_is_done_to_the_picture(folder: Path) -> None:
    first, again = load_model(parse_model("photo-cnn")), load_model(parse_model("photo-cnn"))
    assert first.fingerprint == again.fingerprint and len(first.fingerprint) == 64
    squashed = load_model(ModelRequest(source="bundled", name="photo-cnn", fit="squash"))
    weights = safetensors.torch.load_file(folder / "photo-cnn.safetensors")
    weights["head.fc.bias"][3] += 1e-6
    safetensors.torch.save_file(weights, folder / "photo-cnn.safetensors")
    changed = load_model(parse_model("photo-cnn"))
    prompted = load_model(parse_model("photo-vit"))
    (folder / "photo-vit-prompts.safetensors").unlink()
    bare = load_model(parse_model("photo-vit"))
    prints = [model.fingerprint for model in (first, squashed, changed, prompted, bare)]
    assert len(set(prints)) == 5


def test_names() -> None:
    assert parse_model("photo-cnn") == ModelRequest(source="bundled", name="photo-cnn")
    for text in ("hub:resnet18.a1_in1k", "resnet18.a1_in1k", " timm/resnet18.a1_in1k ", "hf-hub:timm/resnet18.a1_in1k"):
        assert parse_model(text) == ModelRequest(source="hub", name="resnet18.a1_in1k"), text
    assert parse_model("file:/some/where/mine.pt") == ModelRequest(source="file", name="mine.pt")
    for text in ("", "  ", "hub:", "file:", "x" * 300):
        with pytest.raises(ModelError, match="Name a model"):
            parse_model(text)
    request = ModelRequest(source="hub", name="resnet18.a1_in1k", mean=(0.5,), label_names=("a", "b"))
    assert ModelRequest.model_validate_json(request.model_dump_json()) == request and hash(request)


# The hub


def no_network(*_: Any, **__: Any) -> Any:
    raise OSError("no network in tests")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.get_session", no_network)
    return tmp_path


def put_into_cache(hub: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    repository = hub / f"models--timm--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "snapshots" / "c0ffee").mkdir(parents=True)
    safetensors.torch.save_file(weights, repository / "snapshots" / "c0ffee" / "model.safetensors")


def test_hub_without_network(hub: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(ModelError, match=r"resnet18\.a1_in1k.*not on this computer yet.*Connect to the internet"):
        load_model(parse_model("resnet18.a1_in1k"))
    assert time.perf_counter() - started < 5


def test_a_hub_that_never_answers_is_not_waited_for(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_session", lambda: time.sleep(30))
    started = time.perf_counter()
    with pytest.raises(ModelError, match="cannot be reached"):
        load_model(parse_model("resnet18.a1_in1k"))
    assert 2.5 < time.perf_counter() - started < 5


def test_a_cold_process_without_network_answers_before_it_imports_timm(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom explain.engine.engine import Engine\nfrom explain.errors import ModelError\n"
        "try:\n    Engine().load('resnet18.a1_in1k')\nexcept ModelError as error:\n    print(error)\n"
        "print('timm' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    said, imported = run.stdout.splitlines()
    assert "not on this computer yet" in said and "Connect to the internet" in said
    assert imported == "False"


def test_cached_hub_models_work_offline(hub: Path) -> None:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture("timm/test_resnet"), 1000, 3, None)
    put_into_cache(hub, "test_resnet.r160_in1k", source.state_dict())
    found = search_hub("test_resnet")
    assert found[0].name == "test_resnet.r160_in1k" and found[0].cached
    model = load_model(parse_model("hub:test_resnet.r160_in1k"))
    own = model.preprocessing
    config = timm.models.get_pretrained_cfg("test_resnet.r160_in1k")
    assert own.input_size == config.input_size[1:] == (160, 160) and own.mean == config.mean and own.std == config.std
    assert own.resize_size == int(160 / config.crop_pct) and own.interpolation == config.interpolation
    assert model.labels[1] == "goldfish" and len(model.labels) == len(set(model.labels)) == 1000
    x = torch.rand(1, 3, 160, 160)
    assert torch.equal(model.module(x), source(x))
    grey = load_model(ModelRequest(source="hub", name="test_resnet.r160_in1k", channels=1))
    assert grey.preprocessing.channels == 1 and len(grey.preprocessing.mean) == 1
    assert torch.allclose(grey.module(x[:, :1]), source(x[:, :1].expand(-1, 3, -1, -1)), atol=1e-4)


def test_hub_search(hub: Path) -> None:
    found = search_hub("ResNet18 a1")
    assert found[0].name == "resnet18.a1_in1k" and not found[0].cached
    assert len(search_hub("", limit=7)) == 7 and search_hub("no such model") == []
    started = time.perf_counter()
    search_hub("ResNet18 a1")
    assert time.perf_counter() - started < 0.1


def test_unknown_and_classless_hub_models(hub: Path) -> None:
    with pytest.raises(ModelError, match=r"Did you mean .*photo-cnn"):
        load_model(parse_model("photo-cn"))
    with pytest.raises(ModelError, match=r"resnet18\.a1_in1k"):
        load_model(parse_model("resnet18.a9_in1k"))
    with pytest.raises(ModelError, match="knows no classes"):
        load_model(parse_model("vit_small_patch14_dinov2.lvd142m"))


# Files


def open_file(content: dict[str, torch.Tensor] | bytes, architecture: str, **options: Any) -> models.LoadedModel:
    data = content if isinstance(content, bytes) else save(content)
    return load_model(build_file_request(data, "mine.pt", architecture=architecture, **options), data)


@pytest.mark.parametrize(
    ("architecture", "classes", "channels"),
    [("torchvision/squeezenet1_1", 3, 1), ("timm/resnet10t", 5, 3), ("timm/test_vit", 4, 1)],
)
def test_classes_and_channels_are_read_from_the_weights(architecture: str, classes: int, channels: int) -> None:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture(architecture), classes, channels, None)
    model = open_file({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, architecture)
    assert model.labels == tuple(f"class {i}" for i in range(classes)) and "numbered" in model.notes[0]
    assert model.preprocessing.channels == channels == len(model.preprocessing.mean)
    x = torch.rand(1, channels, *model.preprocessing.input_size)
    assert torch.equal(model.module(x), source(x))
    assert model.default_layer is not None and model.request.digest is not None


def test_labels_of_files() -> None:
    weights = build_architecture(parse_architecture("torchvision/squeezenet1_1"), 3, 3, None).state_dict()
    model = open_file(weights, "torchvision/squeezenet1_1", label_file="\ufeffOne\n zwölf \n\nthree\n".encode())
    assert model.labels == ("One", "zwölf", "three") and model.notes == ()
    with pytest.raises(ModelError, match="2 names, but the model has 3 classes"):
        open_file(weights, "torchvision/squeezenet1_1", label_file=b"a\nb")
    with pytest.raises(ModelError, match="imagenet has 1,000 names, but the model has 3"):
        open_file(weights, "torchvision/squeezenet1_1", labels="imagenet")
    with pytest.raises(ModelError, match="no known label set “pets”"):
        open_file(weights, "torchvision/squeezenet1_1", labels="pets")


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "no plain class"), (b"\xff\xfe\x00", "UTF-8"), (b"a\x00b", "no plain"), (b"x" * 300, "200 characters")],
)
def test_bad_label_files(data: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_labels(data)


def test_class_names_are_short_and_differ() -> None:
    texts = ["tench, Tinca tinca", "crane", "crane", "cardigan", "Cardigan, Welsh corgi"]
    short = shorten_descriptions(texts, ["n1", "n2", "n3", "n4", "n5"])
    assert short == ("tench", "crane (n2)", "crane (n3)", "cardigan (n4)", "Cardigan, Welsh corgi")
    labels = known_labels("imagenet")
    assert len({label.casefold() for label in labels}) == 1000 and labels[281] == "tabby"
    assert known_labels("cifar10") == CLASSES


def test_files_that_do_not_fit() -> None:
    weights = build_architecture(parse_architecture("timm/resnet10t"), 5, 3, None).state_dict()
    with pytest.raises(
        ModelError, match=r"“mine\.pt” holds the weights of another architecture than timm/convnext_atto"
    ):
        open_file(weights, "timm/convnext_atto")
    with pytest.raises(ModelError, match="Did you mean timm/resnet10t"):
        open_file(weights, "timm/resnet10tt")
    with pytest.raises(ModelError, match="is no architecture"):
        open_file(weights, "resnet10t")
    with pytest.raises(ModelError, match="torchvision has no architecture “resnet10t”"):
        open_file(weights, "torchvision/resnet10t")
    with pytest.raises(ModelError, match=r"Other shape .*conv1\.0\.weight \(24×3×3×3 instead of 24×1×3×3\)"):
        open_file(weights, "timm/resnet10t", channels=1)
    with pytest.raises(ModelError, match="needs its architecture"):
        build_file_request(b"x", "mine.pt")
    weights["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"NaN.*layer1\.0\.conv1\.weight"):
        open_file(weights, "timm/resnet10t")


def test_a_request_belongs_to_its_bytes() -> None:
    data = save({"a": torch.ones(1)})
    request = build_file_request(data, "mine.pt", architecture="timm/resnet18")
    assert request.digest == hashlib.sha256(data).hexdigest()
    with pytest.raises(ModelError, match="its bytes differ"):
        load_model(request, data + b"x")
    with pytest.raises(ModelError, match=r"bytes of “mine\.pt” are missing"):
        load_model(request)
    with pytest.raises(ModelError, match="lacks the file's digest"):
        load_model(ModelRequest(source="file", name="mine.pt", architecture="timm/resnet18"), data)


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
        ({"channels": 2}, "channels cannot be 2"),
        ({"input_size": 8}, "cannot work on an input of 8×8"),
    ):
        with pytest.raises(ModelError, match=words):
            open_file(weights, "torchvision/squeezenet1_1", **options)


def test_a_vit_takes_the_size_it_was_trained_for_or_is_resized() -> None:
    architecture = parse_architecture("timm/test_vit")
    source = build_architecture(architecture, 3, 3, 96)
    model = open_file(source.state_dict(), "timm/test_vit")
    assert model.preprocessing.input_size == (96, 96)
    x = torch.rand(1, 3, 96, 96)
    assert torch.equal(model.module(x), source(x))
    larger = open_file(source.state_dict(), "timm/test_vit", input_size=128)
    assert larger.preprocessing.input_size == (128, 128) and larger.default_layer is not None
    assert larger.default_layer.grid == (8, 8) and larger.module(torch.rand(1, 3, 128, 128)).shape == (1, 3)


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
