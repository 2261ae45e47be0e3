"""NormGrad: how much each place would change the weights, were the layer trained on this picture."""

from __future__ import annotations

from typing import Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Cell, Formula, Sum, read_at, sum_over_channels
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class NormGradSettings(Settings):
    """Which layer is thought to be inserted and trained."""

    inserted: Literal["convolution", "scaling", "bias"] = setting(
        "convolution",
        "Inserted layer",
        "The identity layer whose weights would be trained: a 1×1 convolution, a scale for each channel, or a bias.",
        advanced=True,
    )


def list_sums(capture: LayerCapture, settings: NormGradSettings, place: Cell) -> list[Sum]:
    """The sums of squares under the roots of the norms."""
    gradients, activations = read_at(capture.need_gradients(), place), read_at(capture.activations, place)
    if settings.inserted == "scaling":
        factors = [("g_k(p)", gradients), ("A_k(p)", activations)]
        return [sum_over_channels(factors, (gradients * activations) ** 2, "Square")]
    of_gradients = sum_over_channels([("g_k(p)", gradients)], gradients**2, "Square")
    if settings.inserted == "bias":
        return [of_gradients]
    return [of_gradients, sum_over_channels([("A_k(p)", activations)], activations**2, "Square")]


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
}
_GRADIENT = r", \quad g_k(p) = \frac{\partial y_c}{\partial A_k(p)}"


@method(
    name="normgrad",
    title="NormGrad",
    sentence="Which places would change the layer's weights most, were it trained for the class on this picture.",
    paper="Rebuffi et al., There and Back Again: Revisiting Backpropagation Saliency Methods, CVPR 2020, "
    "arXiv 2004.02866",
    group="gradient",
    needs={"gradients"},
    settings=NormGradSettings,
    formula=Formula(
        lambda settings: _FORMULAS[settings.inserted][0],
        lambda settings: _FORMULAS[settings.inserted][1] + _GRADIENT,
        "Squares have no sign, so nothing speaks against the class here: a cell is only more or less important.",
        steps=list_sums,
        roots=True,
    ),
)
def normgrad(capture: LayerCapture, settings: NormGradSettings) -> MethodResult:
    """Norm of what each place u adds to the gradient of the weights of an identity layer put in here (section 3).

    Of a 1×1 convolution that is the outer product `g_u x_uᵀ`, whose Frobenius norm is `‖g_u‖ ‖x_u‖`; of a scaling
    `g_u ⊙ x_u`; of a bias `g_u`. Never negative.
    """
    gradients = capture.need_gradients()
    if settings.inserted == "scaling":
        return MethodResult((gradients * capture.activations).norm(dim=0))
    norms = gradients.norm(dim=0)
    return MethodResult(norms if settings.inserted == "bias" else norms * capture.activations.norm(dim=0))
