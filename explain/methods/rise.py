"""RISE: the network is asked about many randomly masked copies of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import enlarge
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

_MASKS_AT_ONCE = 64


class RiseSettings(Settings):
    """The masks that are laid over the picture: how many, how fine, how much they hide."""

    masks: int = setting(
        500,
        "Masks",
        "How many masked copies the network sees. More: a calmer map, in proportionally more time. "
        "The paper takes 8,000.",
        low=20,
        high=8000,
        step=20,
    )
    grid: int = setting(
        8,
        "Cells a side",
        "Rows and columns of the coarse grid that each mask is drawn on. More: finer detail, which needs more masks.",
        low=2,
        high=32,
        step=1,
    )
    share: float = setting(
        50.0, "Shown", "How much of the input a mask shows.", unit="% of cells", low=5.0, high=95.0, step=5.0
    )
    centre: bool = setting(
        True,
        "Centre",
        "Subtract the mean score first, so that the map is above zero where showing a place raises the score. Without, "
        "as in the paper, the same map stands on a high floor.",
        advanced=True,
    )
    seed: int = setting(0, "Seed", "Another seed, other masks.", low=0, high=9999, step=1, advanced=True)


_SCORES = {False: r"y_c(x \odot M_m)", True: r"\left(y_c(x \odot M_m) - \bar y_c\right)"}


@method(
    name="rise",
    title="RISE",
    sentence="Which places raise the score of the class when random parts of the input are hidden.",
    paper="Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, "
    "arXiv 1806.07421",
    group="gradient-free",
    needs={"activations", "runner"},
    settings=RiseSettings,
    presets={"published": RiseSettings(masks=8000, grid=7, share=50.0, centre=False)},
    place="input",
    count_passes=lambda _layer, settings: settings.masks,
    formula=Formula(
        lambda settings: rf"L(p) = \frac{{1}}{{N \, E[M]}} \sum_{{m=1}}^{{N}} {_SCORES[settings.centre]} \, M_m(p)",
        r"M_m = \text{random mask, 1 where the input is shown}, \quad N = \text{how many}",
        "The mean score of all masked copies that show this place.",
    ),
)
def rise(capture: LayerCapture, settings: RiseSettings) -> MethodResult:
    """`S = 1 / (E[M]·N) · Σ_i f(I ∘ M_i) · M_i` (equation 6). With `centre`, `f` is taken above its mean over masks."""
    import torch

    runner = capture.need_runner()
    picture = runner.picture
    grids, shifts = draw_masks(settings, picture.shape[2:])
    size = tuple(picture.shape[2:])

    def make(rows: range) -> Tensor:
        masks = enlarge_masks(grids[rows.start : rows.stop], shifts[rows.start : rows.stop], size)
        return picture * masks[:, None].to(picture)

    runner.expect(settings.masks)
    scores = runner.scores(make, settings.masks).cpu().double()
    if settings.centre:
        scores = scores - scores.mean()
    total = torch.zeros(size, dtype=torch.float64)
    for start in range(0, settings.masks, _MASKS_AT_ONCE):
        part = slice(start, start + _MASKS_AT_ONCE)
        total += torch.einsum("n,n...->...", scores[part], enlarge_masks(grids[part], shifts[part], size).double())
    return MethodResult((total / (settings.share / 100 * settings.masks)).float())


def draw_masks(settings: RiseSettings, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Coarse binary masks `(N, s, s)` for pictures of a size (height, width), and how far each is shifted, in pixels
    down and right `(N, 2)`; for volumes of a size (depth, height, width) one axis more of both.
    """
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.masks, *[settings.grid] * len(size))
    grids = (torch.rand(shape, generator=generator) < settings.share / 100).float()
    cell = torch.tensor([-(-side // settings.grid) for side in size])
    shifts = (torch.rand((settings.masks, len(size)), generator=generator) * cell).long()
    return grids, shifts


def enlarge_masks(grids: Tensor, shifts: Tensor, size: Sequence[int]) -> Tensor:
    """Coarse masks enlarged bilinearly to one cell more than the picture and cut out at their shifts (section 3.2)."""
    import torch

    cells = grids.shape[1]
    enlarged = enlarge(grids[:, None], [(cells + 1) * -(-side // cells) for side in size])[:, 0]
    cut = [
        mask[tuple(slice(start, start + side) for start, side in zip(starts, size, strict=True))]
        for mask, starts in zip(enlarged, shifts.tolist(), strict=True)
    ]
    return torch.stack(cut)
