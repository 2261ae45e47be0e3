"""FullGrad: what the pixels and every bias of the network contribute to the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import enlarge, list_space
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

    from explain.passes.backward import Contribution

_MISSED = 0.05


class FullGradSettings(Settings):
    """Whether the signs of contributions count."""

    signs: Literal["dropped", "kept"] = setting(
        "dropped",
        "Signs",
        "“dropped” as in the paper: every channel's magnitudes, stretched to 0…1, are added up. “kept”: what speaks "
        "for and against the class is added up as it is.",
        advanced=True,
    )


@method(
    name="fullgrad",
    title="FullGrad",
    sentence="How strongly pixels and features of all layers together contribute to the score of the class.",
    paper="Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019, "
    "arXiv 1905.00780",
    group="fine detail",
    needs={"activations", "runner"},
    settings=FullGradSettings,
    place="input",
    count_passes=lambda _layer, _settings: 1,
    formula=Formula(
        r"L(p) = \psi(\nabla_{\!x} y_c \odot x)(p) + \sum_{l,k} \psi(\nabla_{\!b} y_c \, b_{l,k})(p)",
        r"b_{l,k} = \text{bias of channel } k \text{ in layer } l, \quad \psi = \text{size, stretched and enlarged}",
        "Before ψ, all of this adds up to the score: what the pixels give, and what every bias gives.",
    ),
)
def fullgrad(capture: LayerCapture, settings: FullGradSettings) -> MethodResult:
    """`S = Σ_c ψ(∇_x f · x)_c + Σ_l Σ_c ψ(∇_b f · b)_c` (equation 4), with `ψ` the magnitude of a channel, stretched to
    0…1 and enlarged bilinearly. Enlarging is linear, so a layer's channels are added up first.

    All contributions add up to the score (proposition 1); both go into the details, and a warning says where they
    differ by more than a twentieth, as in networks that are not linear piece by piece.

    Raises:
        MethodError: the network normalises by what it sees.
    """
    import torch

    runner = capture.need_runner()
    size = runner.picture.shape[2:]

    def keep(contribution: Contribution) -> tuple[Tensor, Tensor | None]:
        values = contribution.values
        total = values.sum(dtype=torch.float64 if values.device.type != "mps" else torch.float32)
        if not contribution.spatial:
            return total, None
        return total, values.sum(0) / values[0].numel() if settings.signs == "kept" else _stretch(values).sum(0)

    runner.expect(1)
    score, kept = runner.split_score(keep)
    found = sum(float(total) for total, _ in kept)
    values = torch.zeros(size, device=runner.picture.device)
    for _, own in kept:
        if own is not None:
            values += enlarge(own[None, None], size)[0, 0]
    warnings = []
    if abs(found - score) > _MISSED * max(abs(score), 1e-6):
        warnings.append(
            f"The contributions add up to {found:.3g} of a score of {score:.3g}: parts of this network are not linear "
            "piece by piece, so the map leaves something out."
        )
    return MethodResult(values, tuple(warnings), {"sum": found, "score": score})


def _stretch(values: Tensor) -> Tensor:
    """Magnitudes of `(C, h, w)`, each channel stretched to 0…1; a channel that is the same everywhere becomes zero."""
    magnitudes = values.abs()
    space = list_space(magnitudes)
    low = magnitudes.amin(dim=space, keepdim=True)
    span = magnitudes.amax(dim=space, keepdim=True) - low
    return (magnitudes - low) / span.where(span > 0, 1)
