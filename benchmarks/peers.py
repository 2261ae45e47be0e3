"""The public libraries CAMscope is compared with: how each is called, which methods both have, and when maps are equal.

pytorch-grad-cam (package `grad-cam`) and torch-cam (`torchcam`) are in requirements-bench.txt; see there. Each is used
as its documentation says and at its best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

Map = NDArray[np.float32]

PYTORCH_GRAD_CAM = {
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "xgrad-cam": "XGradCAM",
    "hires-cam": "HiResCAM",
    "layer-cam": "LayerCAM",
    "element-wise-grad-cam": "GradCAMElementWise",
    "eigen-cam": "EigenCAM",
    "eigengrad-cam": "EigenGradCAM",
    "kpca-cam": "KPCA_CAM",
    "fem": "FEM",
    "shapley-cam": "ShapleyCAM",
    "finer-cam": "FinerCAM",
    "score-cam": "ScoreCAM",
    "ablation-cam": "AblationCAM",
    "fullgrad": "FullGrad",
}
"""CAMscope's methods that pytorch-grad-cam has, by its names."""

TORCH_CAM = {
    "cam": "CAM",
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMpp",
    "xgrad-cam": "XGradCAM",
    "layer-cam": "LayerCAM",
    "finer-cam": "FinerCAM",
    "score-cam": "ScoreCAM",
    "smooth-grad-cam++": "SmoothGradCAMpp",
}
"""CAMscope's methods that torch-cam has, by its names."""

AS_PYTORCH_GRAD_CAM: dict[str, dict[str, Any]] = {
    "grad-cam++": {"absolute_eps": 1e-6},
    "fem": {"combine": "activations"},
    "finer-cam": {"gamma": 1.0, "weighting": "probability"},
}
"""The settings under which CAMscope's methods are defined as pytorch-grad-cam's are; defaults elsewhere."""

CLASS_BLIND = {"eigen-cam", "kpca-cam", "fem"}
"""Methods for which the class makes no difference."""

SIGN_BY_CHANCE = {"eigen-cam", "eigengrad-cam", "kpca-cam"}
"""Methods of which pytorch-grad-cam leaves the sign as the eigenvector comes."""

WITHOUT_GRADIENTS = {"cam", "score-cam"}
"""Methods that torch-cam's documentation calls without a graph."""

DIFFERENT_IN_TORCH_CAM = {"grad-cam++": "its division acts on a copy and is lost", "smooth-grad-cam++": "other noise"}
"""Why torch-cam's map of a method is another one."""


def scale(values: Map) -> Map:
    """Stretched to 0…1 as pytorch-grad-cam does."""
    above = values - values.min()
    return above / (1e-7 + above.max())


def lay_on_input(values: Map, size: tuple[int, int]) -> Map:
    """A signed map `(h, w)` as pytorch-grad-cam gives it: ReLU, stretched at the layer's size, enlarged bilinearly with
    half-pixel centres to the input `(height, width)`, and stretched again.
    """
    positive = torch.from_numpy(scale(np.maximum(values, 0)))[None, None]
    return scale(functional.interpolate(positive, size=size, mode="bilinear", align_corners=False)[0, 0].numpy())


def find_difference(name: str, values: Map, theirs: Map) -> float:
    """Greatest difference of CAMscope's signed map `(h, w)` and one of pytorch-grad-cam at the input's size."""
    signs = (1, -1) if name in SIGN_BY_CHANCE else (1,)
    size = (theirs.shape[0], theirs.shape[1])
    return min(float(np.abs(lay_on_input(sign * values, size) - scale(theirs)).max()) for sign in signs)


class PytorchGradCam:
    """Methods of pytorch-grad-cam on one network, an object for each, made where it is used, as its documentation does:
    objects that live on would listen to each other's passes.

    Args:
        network: with parameters that need gradients: with frozen ones its backward pass finds nothing to do.
        layers: names of layers.
        methods: by CAMscope's names.
        options: for the constructors, by method.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str],
        methods: Sequence[str],
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.network = network
        self.layers = layers
        self.methods = methods
        self.options = options or {}

    def draw(self, name: str, picture: Tensor, target: int) -> Map:
        """The map `(H, W)` of one method, or `(layers, H, W)` of several layers, which it would average."""
        return self.draw_batch(name, picture, [target])[0]

    def draw_batch(self, name: str, pictures: Tensor, targets: Sequence[int]) -> Map:
        """The same for several pictures `(n, C, H, W)` with a class each."""
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        layers = [] if name == "fullgrad" else [self.network.get_submodule(layer) for layer in self.layers]
        kind = getattr(pytorch_grad_cam, PYTORCH_GRAD_CAM[name])
        with kind(self.network, layers, **self.options.get(name, {})) as made:
            if len(layers) > 1:
                drawing = made.base_cam if name == "finer-cam" else made
                drawing.aggregate_multi_layers = lambda maps: np.concatenate(maps, axis=1)
            if name == "finer-cam":
                (target,) = targets
                return made(pictures, None, target_idx=target)
            return made(pictures, [ClassifierOutputTarget(target) for target in targets])

    def draw_all(self, picture: Tensor, targets: Sequence[int]) -> dict[tuple[str, int], Map]:
        """Every method for every class; those that know no class once only."""
        return {
            (name, target): self.draw(name, picture, target)
            for name in self.methods
            for target in (targets[:1] if name in CLASS_BLIND else targets)
        }


class TorchCam:
    """Several methods of torch-cam on one network and layer; each takes one forward and one backward pass.

    Args:
        network: any; it differentiates down to the layer only.
        layer: name of the layer.
        methods: by CAMscope's names.
        options: for the constructors, by method.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        methods: Sequence[str],
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        import torchcam.methods

        self.network = network
        self.objects: dict[str, Any] = {}
        for name in methods:
            kind = getattr(torchcam.methods, TORCH_CAM[name])
            # Hooks are enabled only while it is drawn, or every object would listen to every pass.
            self.objects[name] = kind(network, layer, enable_hooks=False, **(options or {}).get(name, {}))

    def draw(self, name: str, picture: Tensor, target: int) -> Map:
        """The map `(h, w)`, stretched to 0…1."""
        made = self.objects[name]
        made.enable_hooks()
        try:
            with torch.set_grad_enabled(name not in WITHOUT_GRADIENTS):
                (cams,) = made(class_idx=target, scores=self.network(picture))
            return cams[0].detach().cpu().numpy()
        finally:
            made.disable_hooks()

    def draw_all(self, picture: Tensor, target: int) -> dict[str, Map]:
        """Every method, one after the other."""
        return {name: self.draw(name, picture, target) for name in self.objects}


def draw_few_channels(name: str, network: nn.Module, layer: str, picture: Tensor, target: int, chosen: Tensor) -> Map:
    """pytorch-grad-cam's Score-CAM or Ablation-CAM of some of the layer's channels only, `(H, W)`.

    All of a large layer take it minutes. What it does for each channel is unchanged.
    """
    from pytorch_grad_cam import AblationCAM, AblationLayer, ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    indices = chosen.cpu().numpy().astype(np.int32)

    class FewMasks(ScoreCAM):
        def get_cam_image(self, *given: Any) -> Map:
            input_tensor, target_layer, targets, activations, grads, eigen_smooth = given
            return super().get_cam_image(
                input_tensor, target_layer, targets, activations[:, indices], grads, eigen_smooth
            )

    class FewAblations(AblationLayer):
        def activations_to_be_ablated(self, activations: Map, ratio_channels_to_ablate: float = 1.0) -> Any:
            self.indices = indices
            return indices

    layers = [network.get_submodule(layer)]
    if name == "score-cam":
        made = FewMasks(network, layers)
    else:
        made = AblationCAM(network, layers, ablation_layer=FewAblations())
    with made:
        return made(picture, [ClassifierOutputTarget(target)])[0]


def draw_few_masks_by_torch_cam(network: nn.Module, layer: str, picture: Tensor, target: int, chosen: Tensor) -> Map:
    """torch-cam's Score-CAM of some of the layer's channels only, `(h, w)`."""
    from torchcam.methods import ScoreCAM

    with torch.no_grad(), ScoreCAM(network, layer) as made:
        network(picture)
        made.hook_a = [made.hook_a[0][:, chosen]]
        (cams,) = made(class_idx=target)
    return cams[0].cpu().numpy()
