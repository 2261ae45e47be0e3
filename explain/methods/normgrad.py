"""NormGrad: how much each place would change the weights, were the layer trained on this picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Cell, Formula, Sum, read_at, sum_over_channels
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 3  # cells of the wide convolution, along each axis
_BLIND = ("convolution", "wide convolution")
_SAME = (
    "All places have the same gradient here, as right before a global average: this map is the size of the activations "
    "and is the same for every class. Choose an earlier layer, a training step, or “scaling” as the inserted layer."
)


class NormGradSettings(Settings):
    """Which layer is thought to be inserted and trained, what of it counts, and by which step the network is first."""

    inserted: Literal["convolution", "scaling", "bias", "wide convolution"] = setting(
        "convolution",
        "Inserted layer",
        "The identity layer whose weights would be trained: a 1×1 convolution, a scale for each channel, a bias, or a "
        "3×3 convolution, which sees the neighbours of a place as well.",
        advanced=True,
    )
    positive: bool = setting(
        False,
        "Positive parts only",
        "Count only weights that raise the score of the class when they grow.",
        advanced=True,
    )
    step: float = setting(
        0.0,
        "Training step",
        "The network is first trained by one step of this length for the class, for this map alone, so that what the "
        "class still could change shows. The authors take 0.0001 to 0.0025; 0 leaves it as it is.",
        low=0.0,
        high=0.1,
        least=0.0001,
        advanced=True,
    )


def list_sums(capture: LayerCapture, settings: NormGradSettings, place: Cell) -> list[Sum]:
    """The sums of squares under the roots of the norms."""
    gradients = read_at(capture.need_gradients(), place)
    if settings.inserted == "scaling":
        activations = read_at(capture.activations, place)
        products = gradients * activations
        squares = products.clip(min=0) ** 2 if settings.positive else products**2
        return [sum_over_channels([("g_k(p)", gradients), ("A_k(p)", activations)], squares, "Square")]
    if settings.inserted == "bias":
        squares = gradients.clip(min=0) ** 2 if settings.positive else gradients**2
        return [sum_over_channels([("g_k(p)", gradients)], squares, "Square")]
    if settings.positive:
        raised, lowered = (
            read_at(_sum_squares(part, settings), place).sum()
            for part in (_raise(capture.activations), _lower(capture.activations))
        )
        squares = gradients.clip(min=0) ** 2 * raised + gradients.clip(max=0) ** 2 * lowered
        return [sum_over_channels([("g_k(p)", gradients)], squares, "Square of its weights")]
    seen = read_at(_sum_squares(capture.activations, settings), place)
    named = ("A_k(p)", read_at(capture.activations, place))
    if settings.inserted == "wide convolution":
        named = (r"\lVert A_k(N_p) \rVert", seen**0.5)
    return [
        sum_over_channels([("g_k(p)", gradients)], gradients**2, "Square"),
        sum_over_channels([named], seen, "Square"),
    ]


def _sum_squares(maps: Tensor, settings: NormGradSettings) -> Tensor:
    """Of maps `(C, h, w)` the squares; for the wide convolution, summed over each place and its neighbours."""
    from torch.nn import functional

    squares = maps**2
    if settings.inserted != "wide convolution":
        return squares
    pool = functional.avg_pool2d if maps.ndim == 3 else functional.avg_pool3d
    return pool(squares[None], _SIDE, 1, _SIDE // 2)[0] * _SIDE ** (maps.ndim - 1)


_NEIGHBOURS = r", \quad N_p \text{ is } p \text{ and its neighbours}"
_FORMULAS = {
    "convolution": (
        r"L(p) = \lVert g(p) \rVert \cdot \lVert A(p) \rVert",
        r"\lVert g(p) \rVert^2 = \sum_k g_k(p)^2, \quad \lVert A(p) \rVert^2 = \sum_k A_k(p)^2",
    ),
    "scaling": (
        r"L(p) = \lVert g(p) \odot A(p) \rVert",
        r"\lVert g(p) \odot A(p) \rVert^2 = \sum_k \left(g_k(p) \, A_k(p)\right)^2",
    ),
    "bias": (r"L(p) = \lVert g(p) \rVert", r"\lVert g(p) \rVert^2 = \sum_k g_k(p)^2"),
    "wide convolution": (
        r"L(p) = \lVert g(p) \rVert \cdot \lVert A(N_p) \rVert",
        r"\lVert g(p) \rVert^2 = \sum_k g_k(p)^2, \quad \lVert A(N_p) \rVert^2 = \sum_k \sum_{q \in N_p} A_k(q)^2"
        + _NEIGHBOURS,
    ),
}
_POSITIVE = {
    "convolution": (
        r"L(p) = \left\lVert \left(g(p) A(p)^\top\right)_+ \right\rVert",
        r"L(p)^2 = \sum_k \left( g_k(p)_+^2 \lVert A(p)_+ \rVert^2 + g_k(p)_-^2 \lVert A(p)_- \rVert^2 \right)",
    ),
    "scaling": (
        r"L(p) = \left\lVert \left(g(p) \odot A(p)\right)_+ \right\rVert",
        r"L(p)^2 = \sum_k \left( (g_k(p) \, A_k(p))_+ \right)^2",
    ),
    "bias": (r"L(p) = \lVert g(p)_+ \rVert", r"L(p)^2 = \sum_k g_k(p)_+^2"),
    "wide convolution": (
        r"L(p) = \left\lVert \left(g(p) A(N_p)^\top\right)_+ \right\rVert",
        r"L(p)^2 = \sum_k \left( g_k(p)_+^2 \lVert A(N_p)_+ \rVert^2 + g_k(p)_-^2 \lVert A(N_p)_- \rVert^2 \right)"
        + _NEIGHBOURS,
    ),
}
_GRADIENT = r", \quad g_k(p) = \frac{\partial y_c}{\partial A_k(p)}"
_STEPPED = r" \text{ after } \theta \leftarrow \theta - \lambda \nabla_\theta \text{CE}"


def _write(settings: NormGradSettings, part: int) -> str:
    return (_POSITIVE if settings.positive else _FORMULAS)[settings.inserted][part]


@method(
    name="normgrad",
    title="NormGrad",
    sentence="Which places would change the layer's weights most, were it trained for the class on this input.",
    paper="Rebuffi et al., There and Back Again: Revisiting Backpropagation Saliency Methods, CVPR 2020, "
    "arXiv 2004.02866",
    group="gradient",
    needs={"gradients"},
    settings=NormGradSettings,
    step=lambda settings: settings.step,
    formula=Formula(
        lambda settings: _write(settings, 0),
        lambda settings: _write(settings, 1) + _GRADIENT + (_STEPPED if settings.step else ""),
        "Squares have no sign, so nothing speaks against the class here: a cell is only more or less important.",
        steps=list_sums,
        roots=True,
    ),
)
def normgrad(capture: LayerCapture, settings: NormGradSettings) -> MethodResult:
    """Norm of what each place u adds to the gradient of the weights of an identity layer put in here (section 3).

    Of a 1×1 convolution that is the outer product `g_u x_uᵀ`, whose Frobenius norm is `‖g_u‖ ‖x_u‖`; of a 3×3 one `x_u`
    are the activations of the place and its neighbours, zero beyond the border; of a scaling it is `g_u ⊙ x_u`; of a
    bias `g_u`. With positive parts only, of the numbers in it that are above zero. Never negative.

    After a training step (section 4) activations and gradients are those of the trained network: the engine takes it.
    """
    gradients = capture.need_gradients()
    warnings = (_SAME,) if settings.inserted in _BLIND and not settings.step and _is_even(gradients) else ()
    if settings.inserted == "scaling":
        products = gradients * capture.activations
        return MethodResult((products.clamp(min=0) if settings.positive else products).norm(dim=0))
    if settings.inserted == "bias":
        return MethodResult((gradients.clamp(min=0) if settings.positive else gradients).norm(dim=0))
    if settings.positive:
        # A product is above zero where both factors are, or neither is.
        raised, lowered = (
            (part(gradients) ** 2).sum(0) * _sum_squares(part(capture.activations), settings).sum(0)
            for part in (_raise, _lower)
        )
        return MethodResult((raised + lowered).sqrt(), warnings)
    norms = gradients.norm(dim=0)
    if settings.inserted == "convolution":
        return MethodResult(norms * capture.activations.norm(dim=0), warnings)
    return MethodResult(norms * _sum_squares(capture.activations, settings).sum(0).sqrt(), warnings)


def _is_even(gradients: Tensor) -> bool:
    """Whether all places have the same gradients, `(C, h, w)`, as right before a global average."""
    flat = gradients.flatten(1)
    return bool(flat.shape[1] > 1 and (flat - flat[:, :1]).abs().max() <= 1e-5 * flat.abs().max())


def _raise(values: Tensor) -> Tensor:
    return values.clamp(min=0)


def _lower(values: Tensor) -> Tensor:
    return values.clamp(max=0)
