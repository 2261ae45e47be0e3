"""The small timm networks that ship with CAMscope.

Those for ten everyday things see 64×64 RGB and answer on an 8×8 grid, those for birds see 96×96 and answer on 12×12,
that for a thousand things sees 224×224 and answers on 7×7, those for brain slices see 192×192 and answer on 12×12.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from explain.bundled.volume_network import PhantomCnn
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.models._efficientnet_builder import decode_arch_def  # noqa: E402
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg  # noqa: E402
from timm.models.efficientnet import EfficientNet, tf_efficientnet_lite0  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

INPUT_SIZE = 64
BIRD_SIZE = 96


def build_photo_cnn(num_classes: int = 10) -> ByobNet:
    """A small ResNet: a block of 16×16 and two of 8×8 cells after a stem of two layers."""
    return _build_resnet((32, 64), "max2", ((128, 1, 1), (320, 2, 2)), num_classes)


def build_birds_cnn(num_classes: int = 12) -> ByobNet:
    """A small ResNet: 48×48, 24×24 and twice 12×12 cells."""
    return _build_resnet(32, "", ((32, 1, 1), (64, 1, 2), (128, 1, 2), (128, 1, 1)), num_classes)


def build_world_cnn(num_classes: int = 4) -> ByobNet:
    """A very small ResNet for 32×32 pixels, of 73,000 weights: 16×16 cells and 8×8."""
    return _build_resnet(16, "", ((32, 1, 1), (64, 1, 2)), num_classes)


def _build_resnet(
    stem: int | tuple[int, ...], pool: str, stages: Sequence[tuple[int, int, int]], num_classes: int
) -> ByobNet:
    """Stages of so many channels, basic blocks (He et al. 2016) and stride of the first, after a stem that halves."""
    return ByobNet(
        ByoModelCfg(
            stem_type="3x3",
            stem_pool=pool,
            stem_chs=stem,
            downsample="avg",
            blocks=tuple(
                ByoBlockCfg(type="basic", d=blocks, c=channels, s=stride, gs=0) for channels, blocks, stride in stages
            ),
        ),
        num_classes=num_classes,
    )


def build_imagenet_cnn(num_classes: int = 1000) -> EfficientNet:
    """EfficientNet-Lite0 (Google 2020; Tan and Le 2019): inverted residuals without gates, on 112×112 to 7×7 cells."""
    network: EfficientNet = tf_efficientnet_lite0(num_classes=num_classes)
    return network


def build_scan_cnn(num_classes: int = 3) -> EfficientNet:
    """The first five of the seven stages of `build_imagenet_cnn`, with a head of their own: 192×192 become 12×12 cells.

    Stem and stages have the names and shapes that they have there, so that they can start from its weights.
    """
    stages = [
        "ds_r1_k3_s1_e1_c16",
        "ir_r2_k3_s2_e6_c24",
        "ir_r2_k5_s2_e6_c40",
        "ir_r3_k3_s2_e6_c80",
        "ir_r3_k5_s1_e6_c112",
    ]
    return EfficientNet(
        decode_arch_def([[stage] for stage in stages]),
        num_classes=num_classes,
        num_features=640,
        stem_size=32,
        fix_stem=True,
        pad_type="same",
        act_layer=nn.ReLU6,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
    )


class ConvStem(nn.Module):
    """Patch embedding by four small convolutions, after "Early Convolutions Help Transformers See Better" (2021).

    A cell of the grid sees 19×19 input pixels, little more than the 8×8 patch it stands for, so that a token still
    names a place. `(B, 3, H, W)` becomes `(B, H/8 · W/8, embed_dim)`.
    """

    def __init__(
        self, img_size: int = INPUT_SIZE, patch_size: int = 8, in_chans: int = 3, embed_dim: int = 128, **_: object
    ):
        super().__init__()
        self.img_size = (img_size, img_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        layers: list[nn.Module] = []
        # bf16 convolutions of a CPU take half the time when their widths are multiples of 16.
        quarter, half = embed_dim // 4 // 16 * 16, embed_dim // 2 // 16 * 16
        widths = (in_chans, quarter, quarter, half, embed_dim)
        for i, stride in enumerate((2, 1, 2, 2)):
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(widths[i + 1]),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.proj = nn.Conv2d(embed_dim, embed_dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(self.layers(x)).flatten(2).transpose(1, 2)


def build_photo_vit(num_classes: int = 10) -> VisionTransformer:
    """A small ViT (Dosovitskiy et al. 2021): width 128, depth 6, 4 heads, 8×8 tokens and a class token."""
    return _build_vit(INPUT_SIZE, 128, 6, 4, num_classes)


def build_birds_vit(num_classes: int = 12) -> VisionTransformer:
    """A small ViT: width 144, 6 heads, 12×12 tokens and a class token; of depth 4, so that a token names a place."""
    return _build_vit(BIRD_SIZE, 144, 4, 6, num_classes)


def _build_vit(size: int, width: int, depth: int, heads: int, num_classes: int) -> VisionTransformer:
    return VisionTransformer(
        img_size=size,
        patch_size=8,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        embed_layer=ConvStem,
        num_classes=num_classes,
    )


BUILDERS: dict[str, Callable[[int], ByobNet | EfficientNet | VisionTransformer | PhantomCnn]] = {
    "imagenet-cnn": build_imagenet_cnn,
    "photo-cnn": build_photo_cnn,
    "photo-vit": build_photo_vit,
    "scan-cnn": build_scan_cnn,
    "birds-cnn": build_birds_cnn,
    "birds-vit": build_birds_vit,
    "world-cnn": build_world_cnn,
    "phantom-cnn": PhantomCnn,
}
"""What builds the network of each bundled model, for so many classes."""
