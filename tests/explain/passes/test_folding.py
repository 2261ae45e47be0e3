"""Batch normalisations worked into convolutions: the same scores, and the network as it was."""

import pytest
import torch
from torch import nn

from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.folding import fold
from explain.passes.tail import standing_in

declare_missing_operators()

from timm.layers import BatchNormAct2d  # noqa: E402
from timm.models.efficientnet import efficientnet_lite0  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402


def randomise(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            if part.affine:
                nn.init.normal_(part.weight, 1, 0.3)
                nn.init.normal_(part.bias, 0, 0.3)
            nn.init.normal_(part.running_mean, 0, 0.3)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.eval().requires_grad_(False)


class Small(nn.Module):
    def __init__(self, twice: bool = False, shared: bool = False, affine: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(3, affine=affine)
        self.twice = twice
        self.shared = shared

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        convolved = self.conv(pictures)
        values = self.norm(convolved)
        if self.shared:
            values = values + convolved
        if self.twice:
            values = self.norm(self.conv(values))
        return values.mean((2, 3))


@pytest.mark.parametrize("name", ["resnet", "efficientnet", "affine", "no affine", "joined"])
def test_the_scores_stay(name: str) -> None:
    torch.manual_seed(0)
    if name == "resnet":
        module: nn.Module = ResNet(BasicBlock, layers=(1, 1, 1, 1), channels=(8, 12, 16, 24), num_classes=5)
    elif name == "efficientnet":
        module = efficientnet_lite0(num_classes=5)
    elif name == "joined":
        module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), BatchNormAct2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    else:
        module = Small(affine=name == "affine")
    randomise(module)
    module.double()  # single ones round at the tolerance, otherwise with each number of threads
    before = {key: value.clone() for key, value in module.state_dict().items()}
    pictures = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = module(pictures)
        forwards = fold(module, pictures[:1])
        norms = sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())
        assert len(forwards) == 2 * norms
        with standing_in(forwards):
            assert torch.allclose(module(pictures), expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(module(pictures), expected)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    for part in module.modules():
        assert "forward" not in vars(part) and not part._forward_hooks and not part._forward_pre_hooks


@pytest.mark.parametrize("how", [{"twice": True}, {"shared": True}])
def test_what_is_used_otherwise_is_left_alone(how: dict[str, bool]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        assert fold(randomise(Small(**how)), torch.randn(1, 3, 16, 16)) == {}


def test_a_network_without_any() -> None:
    vit = VisionTransformer(img_size=32, patch_size=8, embed_dim=8, depth=1, num_heads=2, num_classes=3).eval()
    with torch.no_grad():
        assert fold(vit, torch.randn(1, 3, 32, 32)) == {}


def test_a_network_of_volumes_folds_too() -> None:
    """Convolution, normalisation, ReLU over three axes of space: the same scores, and both are stood in for."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 5, 3, padding=1), nn.BatchNorm3d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 60, 3))
    norm = net[1]
    assert isinstance(norm, nn.BatchNorm3d) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    net.eval().requires_grad_(False)
    volumes = torch.randn(2, 1, 3, 4, 5)
    forwards = fold(net, volumes[:1])
    assert set(forwards) == {net[0], net[1]}
    with torch.no_grad(), standing_in(forwards):
        found = net(volumes)
    assert torch.allclose(found, net(volumes), atol=1e-5)
