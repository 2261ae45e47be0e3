"""What was trained without classes is refused; a classifier beside its projection is not."""

import pytest
import torch

from explain.errors import ModelError
from explain.models.fitting import Fitted
from explain.models.unlabelled import leave_out_projections
from tests.support.checkpoints import open_file

BODY = {"conv1.weight": torch.ones(8, 3, 3, 3)}
HEAD = {"fc.weight": torch.ones(4, 8), "fc.bias": torch.ones(4)}
LAYERS = {"0.weight": torch.ones(8, 8), "2.weight": torch.ones(4, 8)}


def prefix(tensors: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {start + key: tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("tensors", "beside", "kind"),
    [
        ({**BODY, **HEAD}, prefix({**BODY, **HEAD}, "module.encoder_k."), "MoCo"),
        ({**BODY, **HEAD}, {"queue": torch.ones(4, 9), "queue_ptr": torch.zeros(1)}, "MoCo"),
        ({**BODY, **HEAD}, prefix({**BODY, **HEAD}, "module.momentum_encoder."), "MoCo"),
        (BODY, prefix(BODY, "target_encoder.net."), "BYOL"),
        ({**BODY, **HEAD}, {"prototypes.weight": torch.ones(30, 4)}, "SwAV"),
        ({**BODY, "head.mlp.0.weight": torch.ones(4, 8), "head.last_layer.weight": torch.ones(50, 4)}, {}, "DINO"),
        (
            {**BODY, **prefix(LAYERS, "fc.")},
            {"predictor.0.weight": torch.ones(2, 4), "predictor.3.weight": torch.ones(4, 2)},
            "SimSiam",
        ),
        (BODY, prefix(LAYERS, "projector."), "comparing pictures"),
        ({**BODY, **prefix(LAYERS, "projection_head.")}, {}, "comparing pictures"),
    ],
)
def test_a_network_that_names_nothing_is_refused(tensors: dict, beside: dict, kind: str) -> None:
    with pytest.raises(ModelError, match=f"trained without classes.*{kind}.*Train a classifier"):
        leave_out_projections(Fitted(dict(tensors), dict(beside), ""), ("fc",), "mine.pth")


def test_a_classifier_is_kept_and_its_projection_left_out() -> None:
    whole = Fitted({**BODY, **HEAD}, prefix(LAYERS, "projector."), "backbone.")
    left = leave_out_projections(whole, ("fc",), "mine.pth")
    assert left.tensors.keys() == whole.tensors.keys() and not left.beside
    named = Fitted(dict(BODY), {**prefix(LAYERS, "projector."), "linear.weight": torch.ones(4, 8)}, "encoder.")
    assert set(leave_out_projections(named, ("fc",), "mine.pth").beside) == {"linear.weight"}
    plain = Fitted({**BODY, **HEAD}, {"predictor.weight": torch.ones(4, 8)}, "")
    assert leave_out_projections(plain, ("fc",), "mine.pth") is plain


def test_a_file_of_such_a_training_is_refused() -> None:
    import timm

    network = timm.create_model("resnet10t", num_classes=4)
    state = {**prefix(network.state_dict(), "module.encoder_q."), **prefix(network.state_dict(), "module.encoder_k.")}
    with pytest.raises(ModelError, match="trained without classes, as MoCo does"):
        open_file({**state, "module.queue": torch.ones(4, 9)}, "timm/resnet10t")
