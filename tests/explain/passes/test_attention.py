"""Attention and its gradients against a transformer written out, and against timm's own unfused way."""

import copy
import io
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explain.engine.engine import Engine
from explain.errors import MethodError, ModelError, TargetError
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.attention import find_attention_obstacle, look_at_attention
from explain.passes.capture import count_bytes
from explain.passes.count import Passes
from explain.passes.look import Score
from explain.pictures.decode import decode
from explain.pictures.picture import Picture

declare_missing_operators()

import timm  # noqa: E402
import torchvision  # noqa: E402
from timm.layers import set_fused_attn, use_fused_attn  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

METHODS = ("raw-attention", "attention-rollout", "legrad", "chefer-relevance")
CLASSES = 4


def wake(module: nn.Module, seed: int) -> nn.Module:
    """Random weights large enough that attention is uneven and every path counts."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else nn.init.normal_(parameter, 0.5, 0.3)
    return module.eval().requires_grad_(False)


def build_vit(seed: int = 0, **options: object) -> nn.Module:
    given = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 3, "num_heads": 2, "num_classes": CLASSES}
    return wake(VisionTransformer(**{**given, **options}), seed)


def make_picture(size: tuple[int, int] = (8, 8), seed: int = 0, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(seed))


class SlowVit:
    """A ViT of 8×8 pixels, 4×4 patches and two heads in float64, token by token. `nudge` adds to one attention."""

    def __init__(self, vit: nn.Module) -> None:
        self.weights = {name: tensor.double().numpy() for name, tensor in vit.state_dict().items()}
        self.depth, self.heads = len(vit.blocks), vit.blocks[0].attn.num_heads
        self.averages = vit.global_pool == "avg"
        self.attention: dict[tuple[int, int], np.ndarray] = {}

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        w = self.weights
        return np.stack(
            [(t - t.mean()) / math.sqrt(t.var() + 1e-6) * w[f"{name}.weight"] + w[f"{name}.bias"] for t in x]
        )

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def block(self, index: int, x: np.ndarray, nudge: tuple[int, int, int, int, float] | None) -> np.ndarray:
        qkv = self.linear(f"blocks.{index}.attn.qkv", self.norm(f"blocks.{index}.norm1", x))
        tokens, width = x.shape
        size = width // self.heads
        read = np.zeros_like(x)
        for head in range(self.heads):
            at = slice(head * size, (head + 1) * size)
            query, key, value = qkv[:, :width][:, at], qkv[:, width : 2 * width][:, at], qkv[:, 2 * width :][:, at]
            attention = np.zeros((tokens, tokens))
            for i in range(tokens):
                logits = np.array([query[i] @ key[j] / math.sqrt(size) for j in range(tokens)])
                attention[i] = np.exp(logits) / np.exp(logits).sum()
            if nudge is None:
                self.attention[index, head] = attention
            elif nudge[:2] == (index, head):
                attention[nudge[2], nudge[3]] += nudge[4]
            for i in range(tokens):
                for j in range(tokens):
                    read[i, at] += attention[i, j] * value[j]
        x = x + self.linear(f"blocks.{index}.attn.proj", read)
        hidden = self.linear(f"blocks.{index}.mlp.fc1", self.norm(f"blocks.{index}.norm2", x))
        hidden = np.vectorize(lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))))(hidden)
        return x + self.linear(f"blocks.{index}.mlp.fc2", hidden)

    def score(
        self, picture: Tensor, target: int, kind: Score, blocks: int, nudge: tuple[int, int, int, int, float] | None
    ) -> float:
        """The score that norm and head give the tokens after that many blocks."""
        pixels = picture[0].double().numpy()
        kernel = self.weights["patch_embed.proj.weight"]
        patches = [
            np.array([(kernel[k] * pixels[:, r : r + 4, c : c + 4]).sum() for k in range(len(kernel))])
            for r in (0, 4)
            for c in (0, 4)
        ]
        x = np.stack(patches) + self.weights["patch_embed.proj.bias"]
        if "cls_token" in self.weights:
            x = np.concatenate([self.weights["cls_token"][0], x])
        x = x + self.weights["pos_embed"][0]
        for index in range(blocks):
            x = self.block(index, x, nudge)
        if self.averages:
            prefix = 1 if "cls_token" in self.weights else 0
            pooled = self.norm("fc_norm", x[prefix:].mean(0)[None])[0]
        else:
            pooled = self.norm("norm", x)[0]
        logits = self.linear("head", pooled)
        return float(logits[target] if kind == "logit" else np.exp(logits[target]) / np.exp(logits).sum())

    def differentiate(self, picture: Tensor, target: int, kind: Score, index: int, blocks: int) -> np.ndarray:
        """Of that score by the attention of one block, `(heads, T, T)`, by central differences."""
        tokens = len(self.attention[0, 0])
        gradient = np.zeros((self.heads, tokens, tokens))
        for head, i, j in np.ndindex(*gradient.shape):
            ends = [self.score(picture, target, kind, blocks, (index, head, i, j, step)) for step in (1e-4, -1e-4)]
            gradient[head, i, j] = (ends[0] - ends[1]) / 2e-4
        return gradient


@pytest.mark.parametrize(
    ("pooling", "score", "seed"),
    [("token", "logit", 0), ("avg", "logit", 1), ("bare", "probability", 3)],
)
def test_equals_a_transformer_written_out(pooling: str, score: Score, seed: int) -> None:
    """Every field, with gradients by finite differences."""
    options = {} if pooling == "token" else {"global_pool": "avg", "class_token": pooling == "avg"}
    vit = build_vit(seed, depth=2, **options)
    picture, target = make_picture(seed=seed), 1
    found = look_at_attention(vit, picture, target, score)

    slow = SlowVit(vit)
    own = vit(picture)[0]
    expected_score = own[target] if score == "logit" else own.softmax(0)[target]
    assert abs(slow.score(picture, target, score, 2, None) - float(expected_score)) < 1e-5
    tokens = len(slow.attention[0, 0])
    assert (found.grid, found.prefix_tokens) == ((2, 2), 0 if pooling == "bare" else 1)
    assert found.pooling == ("token" if pooling == "token" else "average")
    readers = [0] if pooling == "token" else list(range(found.prefix_tokens, tokens))
    assert np.allclose(found.readout, [1 / len(readers) if token in readers else 0 for token in range(tokens)])
    assert torch.equal(found.readout, found.readout_relevance)
    for index in range(2):
        attention = np.stack([slow.attention[index, head] for head in range(slow.heads)])
        assert np.allclose(found.means[index], attention.mean(0), atol=1e-6)
        assert np.allclose(found.rows[index], attention[:, readers].mean(1), atol=1e-6)
        gradient = slow.differentiate(picture, target, score, index, 2)
        relevance = np.maximum(attention * gradient, 0).mean(0)
        assert relevance.max() > 1e-5
        assert np.allclose(found.relevances[index], relevance, rtol=1e-3, atol=1e-3 * relevance.max())
        own_gradient = slow.differentiate(picture, target, score, index, index + 1)
        sensitivity = np.maximum(own_gradient, 0).mean((0, 1))
        assert np.allclose(found.sensitivities[index], sensitivity, rtol=1e-3, atol=1e-3 * sensitivity.max())


FAMILIES: dict[str, dict[str, object]] = {
    "vit_tiny_patch16_224": {},
    "deit3_small_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "beit_base_patch16_224": {"global_pool": "token"},
    "eva02_tiny_patch14_224": {"img_size": 42},
    "vit_small_patch16_dinov3": {},
    "vit_small_patch14_reg4_dinov2": {"img_size": 42},
    "vit_relpos_small_patch16_224": {},
    "vit_relpos_base_patch16_clsgap_224": {},
    "vit_base_patch16_siglip_224": {},
    "vit_so150m_patch16_reg4_map_256": {},
    "vit_pe_core_tiny_patch16_384": {},
    "vit_base_patch16_rpn_224": {},
    "vit_tiny_r_s16_p8_224": {"img_size": 64},
}
PREFIXES = {"deit_tiny_distilled_patch16_224": 2, "vit_small_patch16_dinov3": 5, "vit_small_patch14_reg4_dinov2": 5}


def build_family(name: str) -> nn.Module:
    options = {"img_size": (32, 48), "embed_dim": 24, "num_heads": 2, "depth": 3, "num_classes": CLASSES}
    return wake(timm.create_model(name, **{**options, **FAMILIES[name]}), len(name))


def read_unfused(module: nn.Module, picture: Tensor, depth: int) -> tuple[Tensor, list[Tensor]]:
    """The scores by that many blocks and their attentions, by timm's own unfused code."""
    module = copy.deepcopy(module).requires_grad_(True)
    module.blocks = module.blocks[:depth]
    attention: list[Tensor] = []
    for block in module.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _module, _inputs, output: attention.append(output))
    return module(picture), attention


@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_timm(name: str) -> None:
    module = build_family(name)
    assert find_attention_obstacle(module) is None
    size = FAMILIES[name].get("img_size", (32, 48))
    size = (size, size) if isinstance(size, int) else size
    picture = make_picture(size, 1)
    found = look_at_attention(module, picture, 2, "logit")

    scores, attention = read_unfused(module, picture, 3)
    gradients = torch.autograd.grad(scores[0, 2], attention)
    tokens = attention[0].shape[-1]
    assert found.prefix_tokens == module.num_prefix_tokens == PREFIXES.get(name, module.num_prefix_tokens)
    assert found.grid[0] * found.grid[1] + found.prefix_tokens == tokens
    assert found.grid[0] / found.grid[1] == size[0] / size[1]
    for index in range(3):
        expected = attention[index][0].detach()
        assert torch.allclose(found.means[index], expected.mean(0), atol=1e-5)
        relevance = (expected * gradients[index][0]).clamp(min=0).mean(0)
        assert torch.allclose(found.relevances[index], relevance, rtol=1e-3, atol=1e-4 * float(relevance.max()))
        assert torch.allclose(found.rows[index].mean(0), found.readout @ expected.mean(0), atol=1e-5)
        if found.pooling == "attention":
            continue
        cut, own = read_unfused(module, picture, index + 1)
        (gradient,) = torch.autograd.grad(cut[0, 2], own[-1])
        sensitivity = gradient[0].clamp(min=0).mean((0, 1))
        assert sensitivity.max() > 0
        assert torch.allclose(found.sensitivities[index], sensitivity, rtol=1e-3, atol=1e-4 * float(sensitivity.max()))


def pool_slowly(vit: nn.Module, tokens: Tensor, nudge: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scores of the tokens after some block by norm, attention pool and head, and the pool's attention `(heads, T)`."""
    pool = vit.attn_pool
    x = vit.norm(tokens)[0]
    heads = pool.num_heads
    key, value = pool.kv(x).reshape(len(x), 2, heads, -1).unbind(1)
    query = pool.q(pool.latent)[0, 0].reshape(heads, -1)
    attention = torch.stack([(key[:, h] @ query[h] / math.sqrt(query.shape[1])).softmax(0) for h in range(heads)])
    attention = attention if nudge is None else attention + nudge
    pooled = pool.proj(torch.cat([attention[h] @ value[:, h] for h in range(heads)])[None])
    pooled = pooled + pool.mlp(pool.norm(pooled))
    return vit.head(vit.fc_norm(pooled)), attention


@pytest.mark.parametrize("seed", range(3))
def test_an_attention_pool(seed: int) -> None:
    vit = build_vit(seed, class_token=False, global_pool="map")
    picture = make_picture(seed=seed)
    found = look_at_attention(vit, picture, 3, "logit")
    assert (found.pooling, found.prefix_tokens, len(found.rows)) == ("attention", 0, 4)
    tokens = vit.patch_embed(picture) + vit.pos_embed
    for index, block in enumerate(vit.blocks):
        tokens = block(tokens)
        nudge = torch.zeros(2, 4, requires_grad=True)
        scores, attention = pool_slowly(vit, tokens, nudge)
        (gradient,) = torch.autograd.grad(scores[0, 3], nudge)
        assert torch.allclose(found.sensitivities[index], gradient.clamp(min=0).mean(0), atol=1e-5)
    assert torch.allclose(scores, vit(picture), atol=1e-5)
    assert torch.allclose(found.rows[-1], attention.detach(), atol=1e-6)
    assert torch.allclose(found.readout, attention.detach().mean(0), atol=1e-6)
    assert torch.allclose(found.readout_relevance, (attention.detach() * gradient).clamp(min=0).mean(0), atol=1e-5)


def test_torchvisions_transformer() -> None:
    vit = torchvision.models.VisionTransformer(
        image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=CLASSES
    )
    wake(vit, 0)
    assert find_attention_obstacle(vit) is None
    picture = make_picture((16, 16))
    kept: list[Tensor] = []
    handles = [
        layer.self_attention.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
        for layer in vit.encoder.layers
    ]
    vit(picture)
    for handle in handles:
        handle.remove()
    found = look_at_attention(vit, picture, 1, "logit")
    assert (found.grid, found.prefix_tokens, found.pooling) == ((4, 4), 1, "token")
    for layer, entered, mean, rows in zip(vit.encoder.layers, kept, found.means, found.rows, strict=False):
        _, expected = layer.self_attention(entered, entered, entered, average_attn_weights=False)
        assert torch.allclose(mean, expected[0].mean(0), atol=1e-5)
        assert torch.allclose(rows, expected[0, :, 0], atol=1e-5)
    assert all(bool((relevance > 0).any()) for relevance in found.relevances)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet18", "this model has none"),
        ("swin_tiny_patch4_window7_224", "this model has none"),
        ("mobilevit_xxs", "this model has none"),
        ("pit_ti_224", "this model has none"),
        ("mixer_s32_224", "this model has none"),
        ("cait_xxs24_224", "attend otherwise"),
        ("xcit_nano_12_p16_224", "attend otherwise"),
        ("convit_tiny", "attend otherwise"),
        ("vit_dlittle_patch16_reg1_gap_256", "attend otherwise"),
    ],
)
def test_refuses_with_the_reason(name: str, words: str) -> None:
    options = {"depth": 2} if words == "attend otherwise" else {}
    with torch.device("meta"):
        module = timm.create_model(name, **options).eval()
    obstacle = find_attention_obstacle(module)
    assert obstacle is not None and words in obstacle and obstacle.endswith(".")


def test_differential_attention_is_refused_in_one_softmax_too() -> None:
    fused = use_fused_attn()
    set_fused_attn(False)
    try:
        with torch.device("meta"):
            module = timm.create_model("vit_dlittle_patch16_reg1_gap_256", depth=2).eval()
    finally:
        set_fused_attn(fused)
    assert "attend otherwise" in str(find_attention_obstacle(module))


def test_refuses_a_head_that_takes_the_maximum() -> None:
    vit = build_vit(global_pool="max")
    assert "neither" in str(find_attention_obstacle(vit))
    with pytest.raises(MethodError, match="This method needs a head"):
        look_at_attention(vit, make_picture(), 0, "logit")


def test_refuses_a_prompted_model() -> None:
    assert "Prompt-CAM" in str(find_attention_obstacle(PromptedViT(build_vit(), 3).eval()))


@pytest.mark.parametrize("target", [-1, CLASSES])
def test_an_unknown_class(target: int) -> None:
    with pytest.raises(TargetError, match=f"0 to {CLASSES - 1}"):
        look_at_attention(build_vit(), make_picture(), target, "logit")


def test_damaged_weights() -> None:
    vit = build_vit()
    vit.head.weight[0, 0] = torch.nan
    with pytest.raises(ModelError):
        look_at_attention(vit, make_picture(), 1, "logit")


def state(module: nn.Module) -> list[object]:
    """All that a look could leave changed."""
    return [
        (name, part.training, getattr(part, "fused_attn", None), len(part._forward_hooks), len(part._forward_pre_hooks))
        for name, part in module.named_modules()
    ] + [(name, p.requires_grad, p.grad, p.data_ptr()) for name, p in module.named_parameters()]


def test_leaves_the_model_as_it_was_even_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    vit = build_vit()
    before = state(vit)
    find_attention_obstacle(vit)
    look_at_attention(vit, make_picture(), 0, "logit")
    assert state(vit) == before

    def fail(_tokens: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(vit.blocks[1].mlp, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        look_at_attention(vit, make_picture(), 0, "logit")
    assert state(vit) == before
    query = torch.randn(1, 2, 5, 4)
    monkeypatch.undo()
    assert torch.equal(vit(make_picture()), vit(make_picture()))
    assert nn.functional.scaled_dot_product_attention(query, query, query).shape == query.shape


def test_the_search_for_an_obstacle_neither_runs_nor_reads_the_hooks_of_the_model() -> None:
    vit = build_vit()
    calls: list[object] = []
    for part in vit.modules():
        part.register_forward_hook(lambda *call: calls.append(call))
    assert find_attention_obstacle(vit) is None
    assert not calls


def test_what_is_kept_is_small_float32_and_without_a_graph() -> None:
    vit = build_vit(embed_dim=32, num_heads=8, img_size=32)
    with torch.inference_mode():
        found = look_at_attention(vit, make_picture((32, 32)), 0, "logit")
    tensors = [found.readout, found.readout_relevance, *found.means, *found.relevances, *found.rows]
    tensors += found.sensitivities
    assert all(t.dtype == torch.float32 and not t.requires_grad and not t.is_inference() for t in tensors)
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)
    assert count_bytes(found) >= sum(t.nbytes for t in [*found.means, *found.relevances, *found.rows])
    full = 2 * 3 * 8 * 65 * 65 * 4
    assert count_bytes(found) < full / 6


def test_half_precision_is_read_in_full() -> None:
    vit = build_vit()
    exact = look_at_attention(vit, make_picture(), 0, "logit")
    half = look_at_attention(copy.deepcopy(vit).bfloat16(), make_picture().bfloat16(), 0, "logit")
    assert half.means[0].dtype == half.relevances[0].dtype == torch.float32
    assert torch.allclose(half.means[0], exact.means[0], atol=0.02)
    with torch.autocast("cpu", torch.bfloat16):  # as an engine of half precision asks
        cast = look_at_attention(vit, make_picture(), 0, "logit")
    parts = [cast.readout, cast.readout_relevance, *cast.means, *cast.relevances, *cast.rows, *cast.sensitivities]
    assert {part.dtype for part in parts} == {torch.float32}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def draw_picture(seed: int) -> Picture:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return decode(stream.getvalue(), f"{seed}.png")


def test_the_engine_draws_all_four_from_one_look(engine: Engine) -> None:
    before = engine.passes
    answer = engine.explain(draw_picture(0), "photo-vit", METHODS, target=[0, 3]).pictures[0]
    assert not answer.unavailable
    assert engine.passes - before == Passes(1, 0) + Passes(2, 4)  # the scores; a look for each class
    maps = {(heatmap.method, heatmap.target): heatmap for heatmap in answer.maps}
    assert set(maps) == {(method, target) for method in METHODS for target in (0, 3)}
    for (method, _), heatmap in maps.items():
        assert heatmap.layer == "all attention" and heatmap.values.shape == (8, 8)
        assert np.isfinite(heatmap.values).all() and np.ptp(heatmap.values) > 0 and not heatmap.blank, method
    for method in METHODS:
        same = np.array_equal(maps[method, 0].values, maps[method, 3].values)
        assert same == (method in ("raw-attention", "attention-rollout")) == ("class-agnostic" in maps[method, 0].rules)
    before = engine.passes
    engine.explain(
        draw_picture(0), "photo-vit", METHODS, target=3, settings={"raw-attention": {"blocks_before_last": 1}}
    )
    assert engine.passes == before, "a setting ran the network"


def test_the_engine_says_why_there_is_none(engine: Engine) -> None:
    answer = engine.explain(draw_picture(0), "photo-cnn", ("grad-cam", *METHODS)).pictures[0]
    assert set(answer.unavailable) == set(METHODS)
    assert answer.unavailable["legrad"].startswith("LeGrad reads the attention of a plain vision transformer")


def test_the_same_bit_for_bit_alone_and_among_threads(engine: Engine) -> None:
    pictures = [draw_picture(seed) for seed in range(4)]

    def ask(own: Engine, picture: Picture) -> dict[str, bytes]:
        answer = own.explain(picture, "photo-vit", ("grad-cam", *METHODS), target=2).pictures[0]
        return {heatmap.key: heatmap.values.tobytes() for heatmap in answer.maps}

    alone = []
    for picture in pictures:
        engine.forget()
        alone.append(ask(engine, picture))
    engine.forget()
    start = threading.Barrier(4)

    def race(number: int) -> list[dict[str, bytes]]:
        start.wait()
        return [ask(engine, pictures[(number + turn) % 4]) for turn in range(4)]

    with ThreadPoolExecutor(4) as pool:
        for number, answers in enumerate(pool.map(race, range(4))):
            assert answers == [alone[(number + turn) % 4] for turn in range(4)]
