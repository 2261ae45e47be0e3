"""T-TAME: where a second network, trained for this one, expects what suffices for the class."""

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class TTameSettings(Settings):
    """Which trained attention draws the map."""

    module: str = setting(
        "",
        "Trained attention",
        "Name of the one to use, of those trained for this model. Left empty: the newest, or the one that ships.",
        advanced=True,
    )


@method(
    name="t-tame",
    title="T-TAME",
    sentence="Where a second network, trained for this one, expects what suffices for the class.",
    paper="Ntrougkas, Gkalelis and Mezaris, T-TAME: Trainable Attention Mechanism for Explaining Convolutional "
    "Networks and Vision Transformers, IEEE Access 2024, arXiv 2403.04523",
    group="gradient-free",
    needs={"trained attention"},
    place="trained layers",
    settings=TTameSettings,
    formula=Formula(
        r"L(p) = c_y(p) - \min_q c_y(q)",
        r"c = W \cdot \operatorname{concat}_l z_l, \quad z_l = \operatorname{ReLU}(\operatorname{BN}(W_l F_l) + F_l), "
        r"\; F_l = \text{features of layer } l",
        "The weights were learned on pictures the model named by itself, so that a picture dimmed where the map is low "
        "keeps its name. The map has no zero of its own, so its lowest value is taken for it.",
    ),
)
def t_tame(capture: LayerCapture, settings: TTameSettings) -> MethodResult:
    """The map of the class before the sigmoid, above its own minimum: as published it is scaled from least to most, and
    its sign means nothing.
    """
    trained = capture.need_trained()
    values = trained.maps[capture.target]
    details = {"module": trained.name, "digest": trained.digest, "layers": ", ".join(trained.layers)}
    return MethodResult(values - values.min(), warnings=trained.warnings, details=details)
