"""The attention of a plain vision transformer: what every block's softmax gives, and how the answer depends on it.

A plain transformer keeps one row of tokens (class token, registers, patches) through all its blocks, and every block
has one self-attention in which each token reads from all of them. Whether a model is one is found out by a pass on
torch's `meta` device, which computes nothing, and not by its name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explain.errors import MethodError, ModelError, TargetError
from explain.networks.layer import Grid
from explain.networks.meaning import Outputs, read_answers
from explain.passes.look import Score, choose_scores

Pooling = Literal["token", "average", "attention"]
"""How the head reads the tokens: a class token (or two), the mean of the patches, or an attention pool."""

_NONE = "reads the attention of a plain vision transformer; this model has none."
_PROMPTED = "reads the attention of a plain vision transformer; this one answers through class prompts, see Prompt-CAM."
_OTHERWISE = "needs blocks in which every token can attend to every other; this model's blocks attend otherwise."
_HEAD = "needs a head that reads a class token, an average or an attention pool; this model's head does neither."


@dataclass(frozen=True, eq=False)
class AttentionCapture:
    """The attention of all `L` blocks for one picture and class, over `T` tokens; float32, without a graph.

    Only what the methods read is kept, exactly: attention and gradient of each head would be six times as much for a
    ViT-S and twelve times for a ViT-B, 45 MB a class for a ViT-B/16 at 224 pixels and 1 GB for a ViT-L/16 at 384.

    Attributes:
        grid: rows and columns of the patches.
        prefix_tokens: tokens before those of the patches.
        pooling: see `Pooling`.
        readout: how much the head reads of each token after the last block, `(T,)`, sums to 1.
        readout_relevance: the same for Chefer's rule: `mean_h (A ⊙ ∇A)+` of an attention pool, else the readout.
        means: of each block, the attention `A` averaged over heads, `(T, T)`, a row a reading token.
        relevances: of each block `mean_h (A ⊙ ∇A)+`, `(T, T)`, with `∇A` the gradient of the score of the class.
        rows: of each block, what each head lets the tokens of the readout attend to, `(heads, T)`; after them, that of
            an attention pool.
        sensitivities: of each block `mean_{h,i} (∂s_l/∂A_l)+`, `(T,)`, with `s_l` the score of the class that the
            model's head gives the tokens after block `l`; where there is an attention pool, `A_l` is its attention.
    """

    grid: Grid
    prefix_tokens: int
    pooling: Pooling
    readout: Tensor
    readout_relevance: Tensor
    means: tuple[Tensor, ...]
    relevances: tuple[Tensor, ...]
    rows: tuple[Tensor, ...]
    sensitivities: tuple[Tensor, ...]

    def to_map(self, tokens: Tensor) -> Tensor:
        """Values of the tokens `(T,)` to those of the patches `(h, w)`."""
        return tokens[self.prefix_tokens :].reshape(self.grid)


def find_attention_obstacle(module: nn.Module) -> str | None:
    """Why the attention of a model cannot be read, as the end of a sentence; None where it can.

    The module itself is neither run nor changed, so that other threads may run it meanwhile.
    """
    with _obstacles_lock:
        if module not in _obstacles:
            _obstacles[module] = _find_obstacle(module)
        return _obstacles[module]


def look_at_attention(
    module: nn.Module, picture: Tensor, target: int, score: Score, outputs: Outputs = "classes"
) -> AttentionCapture:
    """Run the network once and differentiate twice: the score of the class with respect to the attention of all blocks,
    and the score after each block with respect to that block's own. The second costs about as much as the first,
    because each part of it goes back through one block alone.

    Args:
        module: in evaluation mode, frozen. Only one thread may look through it at a time.
        picture: `(1, C, H, W)`.
        target: the class.
        score: what is differentiated.
        outputs: what the numbers mean that the network answers with.

    Raises:
        MethodError: the attention of this model cannot be read.
        ModelError: the scores are no finite numbers.
        TargetError: the class does not exist.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # A copy, because autograd cannot keep what was made in the caller's inference mode.
        trace = _run(module, picture.clone())
        if isinstance(trace, str):
            raise MethodError(f"This method {trace}")
        if not torch.isfinite(trace.scores).all():
            raise ModelError("This model's scores are not numbers: its weights are damaged or do not fit.")
        count = read_answers(trace.scores, outputs).shape[1]
        if not 0 <= target < count:
            raise TargetError(f"There is no class {target}: this model knows classes 0 to {count - 1}.")

        def value(scores: Tensor) -> Tensor:
            return choose_scores(scores.float(), score, outputs)[0, target]

        read = trace.attention if trace.pool is None else [*trace.attention, trace.pool]
        gradients = torch.autograd.grad(value(trace.scores), read, retain_graph=True)
        sensitivities = []
        for attention, tokens in zip(trace.attention, trace.outputs, strict=True):
            with _AttentionReader() as reader:
                own = value(trace.parts.score(tokens))
            if trace.pool is not None:
                (attention,) = reader.seen
            (gradient,) = torch.autograd.grad(own, attention)
            sensitivities.append(gradient)
    # What is kept is float32, whatever the network calculates in.
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(picture.device.type, enabled=False):
        return _condense(trace, gradients, sensitivities)


_obstacles: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()
_obstacles_lock = threading.Lock()


@dataclass(frozen=True)
class _Parts:
    """The parts of a vision transformer, whoever wrote it.

    Attributes:
        blocks: in the order in which they run.
        score: tokens after a block `(1, T, D)` to the scores of the classes, by the final norm and the head.
        prefix_tokens: tokens before those of the patches.
        pooling: see `Pooling`.
        read_tokens: which tokens the head reads, with equal weight; for an attention pool, see `_Trace.pool`.
    """

    blocks: Sequence[nn.Module]
    score: Callable[[Tensor], Tensor]
    prefix_tokens: int
    pooling: Pooling
    read_tokens: slice


@dataclass(frozen=True)
class _Trace:
    """One forward pass: scores `(1, classes)`; of each block the attention `(1, heads, T, T)`, part of the graph, and
    the output `(1, T, D)`; the attention of the pool to the last tokens, `(1, heads, 1, T or T - prefix)`.
    """

    parts: _Parts
    grid: Grid
    scores: Tensor
    attention: list[Tensor]
    outputs: list[Tensor]
    pool: Tensor | None


class _AttentionReader(TorchFunctionMode):
    """While entered, in this thread alone, attention is computed step by step, and its softmax kept in `seen`.

    It changes no module, so that nothing has to be put back, and it does not matter whether a model calls the fused
    kernel, `softmax`, or torch's own multi-head attention.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and not kwargs.get("is_causal") and not kwargs.get("enable_gqa"):
            return self._attend(*args, **kwargs)
        if func is F.multi_head_attention_forward:
            return self._attend_multi_head(func, *args, **kwargs)
        output = func(*args, **kwargs)
        if func in (F.softmax, torch.softmax, Tensor.softmax) and output.ndim == 4:
            return self._keep(output)
        return output

    def _keep(self, attention: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not attention.requires_grad:
            attention = attention.detach().requires_grad_(True)  # the graph starts at the first block's attention
        self.seen.append(attention)
        return attention

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """What `scaled_dot_product_attention` computes."""
        logits = query * (query.shape[-1] ** -0.5 if scale is None else scale) @ key.transpose(-2, -1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            logits = logits + attn_mask
        return self._keep(logits.softmax(-1)) @ value

    def _attend_multi_head(
        self,
        func: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        width: int,
        heads: int,
        weight: Tensor | None,
        bias: Tensor | None,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """What `multi_head_attention_forward` computes of tokens `(T, 1, D)` that all read from all, as in torchvision.

        Anything else goes the usual way and is not kept.
        """
        bias_key, bias_value, add_zero, _, out_weight, out_bias = args
        extras = [weight is None, add_zero, kwargs.get("need_weights", True), bias_key is not None]
        extras += [extra is not None for extra in (bias_value, kwargs.get("key_padding_mask"), kwargs.get("attn_mask"))]
        if query is not key or key is not value or any(extras):
            output: tuple[Tensor, Tensor | None] = func(query, key, value, width, heads, weight, bias, *args, **kwargs)
            return output
        assert weight is not None
        projected = F.linear(query, weight, bias).unflatten(2, (3, heads, -1)).permute(2, 1, 3, 0, 4)
        read = self._attend(*projected.unbind(0))  # (1, heads, T, D / heads)
        return F.linear(read.permute(2, 0, 1, 3).flatten(2), out_weight, out_bias), None


def _find_obstacle(module: nn.Module) -> str | None:
    parts = _find_parts(module)
    if isinstance(parts, str):
        return parts
    size = _find_input_size(module)
    if size is None:
        return _NONE
    try:
        with torch.inference_mode(False), torch.no_grad():
            trace = _run(_copy_to_meta(module, {}), torch.zeros(1, *size, device="meta"))
    except (RuntimeError, AssertionError, TypeError, ValueError):
        return _OTHERWISE
    return trace if isinstance(trace, str) else None


def _find_parts(module: Any) -> _Parts | str:
    """The parts, or why this is no transformer whose attention can be read."""
    from explain.networks.prompted_vit import PromptedViT

    if isinstance(module, PromptedViT):
        return _PROMPTED
    encoder = getattr(module, "encoder", None)
    if encoder is not None and all(hasattr(encoder, name) for name in ("layers", "ln")) and hasattr(module, "heads"):
        return _Parts(list(encoder.layers), lambda x: module.heads(encoder.ln(x)[:, 0]), 1, "token", slice(0, 1))
    names = ("blocks", "norm", "forward_head", "num_prefix_tokens")
    if not all(hasattr(module, name) for name in names):
        return _NONE
    if not isinstance(module.blocks, (nn.Sequential, nn.ModuleList)):
        return _NONE
    prefix = int(module.num_prefix_tokens)
    pool = getattr(module, "global_pool", "")
    pooling: Pooling
    if hasattr(module, "head_dist"):
        pooling, read = "token", slice(0, 2)
    elif pool == "token":
        pooling, read = "token", slice(0, 1)
    elif pool == "avg":
        pooling, read = "average", slice(0 if getattr(module, "pool_include_prefix", False) else prefix, None)
    elif pool == "map":
        pooling, read = "attention", slice(None)
    else:
        return _HEAD
    return _Parts(list(module.blocks), lambda x: module.forward_head(module.norm(x)), prefix, pooling, read)


def _find_input_size(module: nn.Module) -> tuple[int, int, int] | None:
    """Channels, height and width of a picture that the model was made for; None where it does not say."""
    size = getattr(getattr(module, "patch_embed", None), "img_size", None) or getattr(module, "image_size", None)
    stem = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    if size is not None and stem is not None:
        height, width = (size, size) if isinstance(size, int) else size
        return stem.in_channels, int(height), int(width)
    declared = getattr(module, "pretrained_cfg", {}).get("input_size")
    return None if declared is None else tuple(declared)


def _copy_to_meta(module: nn.Module, copies: dict[nn.Module, nn.Module]) -> nn.Module:
    """The same network without values and without hooks: other threads may hook and run the module meanwhile."""
    if module in copies:
        return copies[module]
    copied = copies[module] = type(module).__new__(type(module))
    nn.Module.__init__(copied)
    vars(copied).update({name: value for name, value in vars(module).items() if name not in vars(copied)})
    copied.training = module.training
    for name, parameter in module._parameters.items():
        copied._parameters[name] = (
            None if parameter is None else nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
        )
    for name, buffer in module._buffers.items():
        copied._buffers[name] = None if buffer is None else torch.empty_like(buffer, device="meta")
    for name, child in module._modules.items():
        copied._modules[name] = None if child is None else _copy_to_meta(child, copies)
    return copied


def _run(module: nn.Module, picture: Tensor) -> _Trace | str:
    """One forward pass, or why its attention cannot be read."""
    parts = _find_parts(module)
    if isinstance(parts, str):
        return parts
    reader = _AttentionReader()
    ends: list[int] = []  # how many attentions were seen when a block began and when it ended
    outputs: list[Any] = []

    def enter(_module: nn.Module, _inputs: Any) -> None:
        ends.append(len(reader.seen))

    def leave(_module: nn.Module, _inputs: Any, output: Any) -> None:
        ends.append(len(reader.seen))
        outputs.append(output)

    with ExitStack() as stack:
        for block in parts.blocks:
            stack.callback(block.register_forward_pre_hook(enter).remove)
            stack.callback(block.register_forward_hook(leave).remove)
        with reader:
            scores = module(picture)
    depth = len(parts.blocks)
    if ends != [end for index in range(depth) for end in (index, index + 1)] or not depth:
        return _OTHERWISE
    attention, rest = reader.seen[:depth], reader.seen[depth:]
    tokens = attention[0].shape[-1]
    if any(a.shape[0] != 1 or a.shape[2:] != (tokens, tokens) for a in attention):
        return _OTHERWISE
    if any(a.shape[1] != _count_heads(block, a) for a, block in zip(attention, parts.blocks, strict=True)):
        return _OTHERWISE  # differential attention: what is read is the difference of two heads, not their softmax
    if not all(isinstance(output, Tensor) and output.shape[:2] == (1, tokens) for output in outputs):
        return _OTHERWISE
    grid = _find_grid(tokens - parts.prefix_tokens, (picture.shape[2], picture.shape[3]))
    if grid is None:
        return _OTHERWISE
    if not isinstance(scores, Tensor) or scores.ndim != 2 or [*map(_count_queries, rest)] != _pools(parts):
        return _HEAD
    if rest and rest[0].shape[-1] not in (tokens, tokens - parts.prefix_tokens):
        return _HEAD
    return _Trace(parts, grid, scores.float(), attention, outputs, rest[0] if rest else None)


def _count_heads(block: nn.Module, attention: Tensor) -> int:
    """How many heads the block says it has; those of the attention where it says nothing."""
    said = (getattr(part, "num_heads", None) for part in block.modules())
    return next((heads for heads in said if isinstance(heads, int)), attention.shape[1])


def _count_queries(attention: Tensor) -> int:
    return attention.shape[2]


def _pools(parts: _Parts) -> list[int]:
    """How many queries the attentions after the blocks must have."""
    return [1] if parts.pooling == "attention" else []


def _find_grid(patches: int, size: tuple[int, int]) -> Grid | None:
    """Rows and columns of that many patches, in the picture's own proportions."""
    height, width = size
    rows = round((max(patches, 0) * height / width) ** 0.5)
    if rows < 1 or patches % rows or patches < 2:
        return None
    columns = patches // rows
    return (rows, columns) if abs(rows * width - columns * height) <= max(height, width) else None


def _condense(trace: _Trace, gradients: Sequence[Tensor], sensitivities: Sequence[Tensor]) -> AttentionCapture:
    """What the methods need of attention and gradients."""
    parts = trace.parts
    tokens = trace.attention[0].shape[-1]

    def spread(values: Tensor) -> Tensor:
        """From the last tokens, which the pool reads, to all, `(..., T)`."""
        return F.pad(values, (tokens - values.shape[-1], 0))

    attention = [tensor[0].detach().float() for tensor in trace.attention]
    relevances = [(a * g[0].float()).clamp(min=0).mean(0) for a, g in zip(attention, gradients, strict=False)]
    positive = [g[0].float().clamp(min=0).mean((0, 1)) for g in sensitivities]
    if trace.pool is None:
        readout = torch.zeros(tokens, device=trace.attention[0].device)
        readout[parts.read_tokens] = 1.0
        readout = readout_relevance = readout / readout.sum()
    else:
        pool = trace.pool[0, :, 0].detach().float()  # (heads, what the pool reads)
        readout = spread(pool.mean(0))
        readout_relevance = spread((pool * gradients[-1][0, :, 0].float()).clamp(min=0).mean(0))
        positive = [spread(values) for values in positive]
    rows = [torch.einsum("t,htk->hk", readout, a) for a in attention]
    if trace.pool is not None:
        rows.append(spread(pool))
    return AttentionCapture(
        grid=trace.grid,
        prefix_tokens=parts.prefix_tokens,
        pooling=parts.pooling,
        readout=readout,
        readout_relevance=readout_relevance,
        means=tuple(a.mean(0) for a in attention),
        relevances=tuple(relevances),
        rows=tuple(rows),
        sensitivities=tuple(positive),
    )
