"""Integrated Gradients: gradients added up on the way from an empty picture to the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.occlusion import Fill, make_baseline
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

_MISSED = 0.05


class IntegratedGradientsSettings(Settings):
    """The way along which gradients are added up: from where, and in how many steps."""

    steps: int = setting(
        32,
        "Steps",
        "At how many points of the way gradients are taken. More: closer to the true sum, in proportionally more time.",
        low=4,
        high=256,
        step=4,
    )
    baseline: Fill = setting(
        "grey",
        "From",
        "Where the way begins. “grey”: the model's zero. “blur”: the input itself, blurred.",
    )


@method(
    name="integrated-gradients",
    title="Integrated Gradients",
    sentence="How much each pixel adds to the score of the class, compared with an empty input.",
    paper="Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365",
    group="fine detail",
    painting="fine",
    needs={"activations", "runner"},
    settings=IntegratedGradientsSettings,
    place="input",
    count_passes=lambda _layer, settings: settings.steps + 2,
    formula=Formula(
        r"L(p) = (x - x')_p \int_0^1 \frac{\partial y_c}{\partial x_p}(x_\alpha) \; d\alpha",
        r"x_\alpha = x' + \alpha (x - x'), \quad x' = \text{empty input}, \quad \sum_p L(p) = y_c(x) - y_c(x')",
        "Gradients along the way from an empty input to this one, added up over the colours. All pixels make "
        "what the score has gained.",
    ),
)
def integrated_gradients(capture: LayerCapture, settings: IntegratedGradientsSettings) -> MethodResult:
    """`(x - x') · ∫ ∇f(x' + α(x - x')) dα` (equation 1), by captum, the integral by Gauss-Legendre; channels summed.

    The map adds up to `f(x) - f(x')` (proposition 1); both go into the details, and a warning says where they differ by
    more than a twentieth.
    """
    import torch
    from captum.attr import IntegratedGradients

    runner = capture.need_runner()
    picture = runner.picture
    baseline = make_baseline(picture, settings.baseline)

    def differentiate(
        forward_fn: Any, inputs: tuple[Tensor, ...], target_ind: Any = None, additional_forward_args: Any = None
    ) -> tuple[Tensor, ...]:
        return (runner.input_gradients(inputs[0]),)

    runner.expect(settings.steps + 2)
    integrated = IntegratedGradients(lambda pictures: pictures)
    integrated.gradient_func = differentiate  # captum's own would not take turns with the model
    values = integrated.attribute(picture, baselines=baseline, n_steps=settings.steps)[0].sum(0)
    ends = torch.cat([picture, baseline])
    here, there = runner.scores(lambda rows: ends[rows.start : rows.stop], 2).tolist()
    found, expected = float(values.double().sum()), here - there
    warnings = []
    if abs(found - expected) > _MISSED * max(abs(expected), 1e-6):
        warnings.append(f"The pixels add up to {found:.3g} where the score changes by {expected:.3g}: take more steps.")
    return MethodResult(values.float(), tuple(warnings), {"sum": found, "change of the score": expected})
