"""CAM: the first of them, for networks that end in a global average and one linear layer."""

from explain.methods.base import MethodResult, method
from explain.passes.capture import LayerCapture
from explain.settings import Settings


@method(
    name="cam",
    title="CAM",
    sentence="What each place adds to the score of the class, read from the weights of the network's last layer.",
    paper="Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, arXiv 1512.04150",
    group="gradient-free",
    needs={"activations", "head"},
)
def cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`M_c = Σ_k w_ck A_k` (equation 2), whose mean over places is the logit of the class but for its bias."""
    return MethodResult((capture.need_head()[capture.target][:, None, None] * capture.activations).sum(0))
