"""Prompt-CAM: what the prompt of a class attends to in the last block of a ViT."""

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class PromptCamSettings(Settings):
    """How many heads make up the map."""

    traits: int = setting(
        4,
        "Traits",
        "How many of the class's most important attention heads are averaged. One head is one trait.",
        unit="heads",
        low=1,
        high=16,
        step=1,
    )


@method(
    name="prompt-cam",
    title="Prompt-CAM",
    sentence="Where the trained prompt of the class looks, in its most important attention heads.",
    paper="Chowdhury et al., Prompt-CAM: Making Vision Transformers Interpretable for Fine-Grained Analysis, "
    "CVPR 2025, arXiv 2501.09333",
    group="transformer",
    needs={"prompts"},
    place="last attention",
    settings=PromptCamSettings,
    formula=Formula(
        r"L(p) = \frac{1}{n} \sum_{h=1}^{n} A^h_{c,\, p}",
        r"A^h_{c,\, p} = \operatorname{softmax}_p\!\left(\frac{q_c^h \cdot k_p^h}{\sqrt d}\right), \quad "
        r"q_c^h = \text{query of the class's prompt}, \; k_p^h = \text{key of patch } p",
        "Heads are put in order by blurring one after the other: first comes the one whose loss hurts the class most.",
    ),
)
def prompt_cam(capture: LayerCapture, settings: PromptCamSettings) -> MethodResult:
    """Mean of the class prompt's softmax attention to the patches over its top heads, ranked by greedy blurring."""
    prompts = capture.need_prompts()
    chosen = list(prompts.ranking.order[: settings.traits])
    details = {
        "ranking": prompts.ranking.order,
        "blurred_probabilities": prompts.ranking.least_first,
        "heads": prompts.attention.cpu().numpy(),
    }
    return MethodResult(prompts.attention[chosen].mean(0), details=details)
