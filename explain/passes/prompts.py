"""What the prompt of a class attends to in the last block, and which of its heads matter.

Source: Chowdhury et al., "Prompt-CAM: Making Vision Transformers Interpretable for Fine-Grained Analysis", CVPR 2025,
arXiv 2501.09333, section 3.3. Importing this does not import torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.prompted_vit import PromptedViT


@dataclass(frozen=True)
class PromptRow:
    """The last block as one class's prompt goes through it; the other tokens enter only as keys and values.

    Attributes:
        attention: softmax over all tokens, `(heads, C + T)`.
        values: `(heads, C + T, D / heads)`.
        token: the prompt as it enters the block, `(D,)`.
    """

    attention: Tensor
    values: Tensor
    token: Tensor


def attend(model: PromptedViT, tokens: Tensor, target: int) -> PromptRow:
    """Attention of prompt `target` in the last block, from the tokens `(C + T, D)` that enter it."""
    from explain.networks.prompted_vit import find_keys, find_queries

    block = model.backbone.blocks[-1]
    query = find_queries(block, tokens[target : target + 1])  # (heads, 1, D / heads)
    keys, values = find_keys(block, tokens)
    attention = (query @ keys.transpose(-2, -1)).squeeze(-2).softmax(-1)
    return PromptRow(attention, values, tokens[target])


def score_blurred(model: PromptedViT, row: PromptRow, blurred: Tensor) -> Tensor:
    """Scores of the class when some heads are blurred.

    Blurring a head sets its pre-softmax scores in the prompt's row to 0, which makes its attention uniform over all
    tokens. Only the prompt's own output changes, so only that one token is computed.

    Args:
        model: the prompted ViT.
        row: from `attend`.
        blurred: which heads are blurred, `(candidates, heads)` bool.

    Returns:
        Scores, `(candidates,)`.
    """
    import torch

    from explain.networks.prompted_vit import leave_block

    sharp = torch.einsum("hn,hnd->hd", row.attention, row.values)
    uniform = row.values.mean(1)
    heads = torch.where(blurred[:, :, None], uniform, sharp)
    return model.score_prompts(leave_block(model.backbone.blocks[-1], row.token, heads))


@dataclass(frozen=True)
class HeadRanking:
    """What a class owes to each head: its probability, 0…1, as heads are blurred (Prompt-CAM, section 3.3).

    Attributes:
        order: heads from most to least important, by greedy blurring.
        alone: by head, with that head alone blurred.
        least_first: with the least important head blurred, the two least important, and so on to all of them: the steps
            of the greedy blurring.
        most_first: the same the other way round, from the most important head on.
    """

    order: tuple[int, ...]
    alone: tuple[float, ...]
    least_first: tuple[float, ...]
    most_first: tuple[float, ...]


def rank_heads(model: PromptedViT, row: PromptRow, scores: Tensor, target: int) -> HeadRanking:
    """Heads from most to least important for the class, by greedy blurring (Prompt-CAM, section 3.3).

    Again and again the head is blurred whose blurring leaves the class's probability highest. The first one so blurred
    is the least important. The other classes' scores stay as they are, so the highest score is the highest probability.
    """
    import torch

    others = torch.cat([scores[:target], scores[target + 1 :]])
    rest = torch.logsumexp(others, 0) if len(others) else scores.new_tensor(-torch.inf)
    heads = len(row.attention)
    each = torch.eye(heads, dtype=torch.bool, device=scores.device)
    alone = score_blurred(model, row, each)
    blurred = torch.zeros(heads, dtype=torch.bool, device=scores.device)
    order: list[int] = []
    steps: list[Tensor] = []
    while len(order) < heads:
        open_heads = torch.nonzero(~blurred).flatten()
        trial = score_blurred(model, row, blurred | each[open_heads]) if order else alone
        best = int(trial.argmax())
        order.append(int(open_heads[best]))
        steps.append(trial[best])
        blurred = blurred | each[order[-1]]
    order.reverse()
    most_first = score_blurred(model, row, each[order].cumsum(0).bool())
    alone, least_first, most_first = (torch.sigmoid(tried - rest) for tried in (alone, torch.stack(steps), most_first))
    return HeadRanking(tuple(order), tuple(alone.tolist()), tuple(least_first.tolist()), tuple(most_first.tolist()))


@dataclass(frozen=True)
class PromptCapture:
    """What the last block of a prompted ViT does with the prompt of one class.

    Attributes:
        attention: softmax attention of the class's prompt to the patch tokens, `(heads, h, w)`; a head is a "trait".
        ranking: which of the heads matter.
        scores: the prompted model's scores `(C,)`.
    """

    attention: Tensor
    ranking: HeadRanking
    scores: Tensor


def look_through_prompts(model: PromptedViT, picture: Tensor) -> PromptLook:
    """One forward pass of a prompted ViT, of whose last block only the prompts are run."""
    import torch

    with torch.inference_mode(False), torch.no_grad():
        tokens = model.enter_last_block(picture)
        return PromptLook(tokens[0], model.leave_last_block(tokens)[0].float())


@dataclass(frozen=True)
class PromptLook:
    """What a prompted ViT made of one picture: tokens entering its last block `(C + T, D)`, scores `(C,)`."""

    tokens: Tensor
    scores: Tensor


def capture_prompt(model: PromptedViT, look: PromptLook, target: int) -> PromptCapture:
    """The attention of one class's prompt in the last block and the ranking of its heads. No pass of the network."""
    import torch

    with torch.inference_mode(False), torch.no_grad():
        row = attend(model, look.tokens, target)
        ranking = rank_heads(model, row, look.scores, target)
        attention = row.attention[:, -math.prod(model.grid) :].reshape(-1, *model.grid).float().clone()
    return PromptCapture(attention, ranking, look.scores)
