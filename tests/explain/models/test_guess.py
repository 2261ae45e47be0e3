"""The architecture of a set of weights, from names and shapes alone."""

import threading

import pytest
import torch
from torch import nn

from explain.models import guess
from explain.models.architectures import Architecture, build_architecture
from explain.models.guess import guess_architecture, is_sure

Shapes = dict[str, tuple[int, ...]]


def outline(architecture: str, prefix: str = "", classes: int = 5) -> Shapes:
    family, _, name = architecture.partition("/")
    module = build_architecture(Architecture(family, name), classes, 3, None, "meta")  # type: ignore[arg-type]
    return {prefix + key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    ("architecture", "alike"),
    [
        ("torchvision/resnet18", "timm/resnet18"),
        pytest.param("torchvision/wide_resnet50_2", "timm/wide_resnet50_2", marks=pytest.mark.slow),
        pytest.param("timm/resnet50d", "timm/resnetblur50d", marks=pytest.mark.slow),
        pytest.param("torchvision/densenet121", "timm/densenet121", marks=pytest.mark.slow),
        ("torchvision/vgg11", None),
        ("torchvision/alexnet", None),
        ("torchvision/squeezenet1_0", None),
        ("torchvision/mobilenet_v2", None),
        ("torchvision/mobilenet_v3_small", None),
        ("torchvision/mnasnet0_5", None),
        ("torchvision/shufflenet_v2_x0_5", None),
        ("torchvision/efficientnet_b0", None),
        ("torchvision/regnet_y_400mf", None),
        ("torchvision/convnext_tiny", None),
        ("torchvision/swin_t", None),
        pytest.param("torchvision/swin_v2_t", None, marks=pytest.mark.slow),
        ("torchvision/vit_b_16", None),
        pytest.param("torchvision/inception_v3", "timm/inception_v3", marks=pytest.mark.slow),
        ("torchvision/googlenet", None),
        pytest.param("torchvision/maxvit_t", None, marks=pytest.mark.slow),
        pytest.param("timm/efficientnet_b0", "timm/tf_efficientnet_b0", marks=pytest.mark.slow),
        ("timm/mobilenetv3_small_050", None),
        ("timm/regnetx_002", None),
        ("timm/convnext_atto", None),
        pytest.param("timm/swin_tiny_patch4_window7_224", None, marks=pytest.mark.slow),
        ("timm/vit_tiny_patch16_224", "timm/deit_tiny_patch16_224"),
        ("timm/vit_tiny_patch16_384", None),
        pytest.param("timm/deit_tiny_distilled_patch16_224", None, marks=pytest.mark.slow),
        pytest.param("timm/legacy_xception", None, marks=pytest.mark.slow),
    ],
)
def test_common_families(architecture: str, alike: str | None) -> None:
    candidates = guess_architecture(outline(architecture, "net.backbone."))
    first = candidates[0]
    assert first.architecture == architecture and is_sure(candidates)
    assert (first.share, first.num_classes, first.channels, first.prefix) == (1.0, 5, 3, "net.backbone.")
    assert alike is None or alike in first.alike


@pytest.mark.slow
def test_a_family_without_a_mark_is_found_among_all() -> None:
    assert guess_architecture(outline("timm/mobilevit_xxs"))[0].architecture == "timm/mobilevit_xxs"


def test_what_an_author_changed_is_left_out_of_the_comparison() -> None:
    shapes = outline("torchvision/resnet18")
    del shapes["fc.weight"], shapes["fc.bias"]
    shapes |= {"conv1.weight": (64, 1, 7, 7), "conv1.bias": (64,), "fc.0.weight": (32, 512), "fc.0.bias": (32,)}
    shapes |= {"fc.3.weight": (2, 32), "fc.3.bias": (2,)}
    candidates = guess_architecture(shapes)
    assert candidates[0].architecture == "torchvision/resnet18" and is_sure(candidates)
    assert candidates[0].num_classes is None and candidates[0].channels == 1
    assert {"fc.0.weight", "fc.3.weight"} <= set(candidates[0].extra)


def test_the_same_network_at_another_size_is_no_other_network() -> None:
    shapes = outline("timm/vit_tiny_patch16_224")
    shapes["pos_embed"] = (1, 325, 192)
    del shapes["norm.weight"], shapes["norm.bias"]
    shapes |= {"fc_norm.weight": (192,), "fc_norm.bias": (192,)}
    candidates = guess_architecture(shapes)
    assert candidates[0].architecture == "timm/vit_tiny_patch16_224" and is_sure(candidates), candidates


def test_what_the_file_says_decides_between_twins() -> None:
    shapes = outline("timm/resnet18")
    assert guess_architecture(shapes)[0].architecture == "torchvision/resnet18"
    assert guess_architecture(shapes, prefer="timm")[0].architecture == "timm/resnet18"
    assert guess_architecture(shapes, "timm/resnetblur18")[0].architecture == "timm/resnetblur18"
    assert guess_architecture(shapes, "resnet18", "timm")[0].architecture == "timm/resnet18"
    assert guess_architecture(shapes, "vgg11")[0].architecture == "torchvision/resnet18", "the shapes know better"


@pytest.mark.slow  # test_inspection.py asks the same of a file
def test_what_is_no_network_has_no_candidates_or_none_that_is_sure() -> None:
    assert guess_architecture({f"a.{index}.weight": (3, 3) for index in range(50)}) == ()
    assert guess_architecture({}) == () and not is_sure(())
    half = dict(list(outline("torchvision/resnet18").items())[:60])
    assert not is_sure(guess_architecture(half))


def test_other_threads_may_build_networks_meanwhile() -> None:
    """The watch over the building is torch's for all threads; it must give up none but its own."""
    faults: list[BaseException] = []
    done = threading.Event()

    def build() -> None:
        try:
            while not done.is_set():
                nn.Linear(3, 4)
                torch.nn.Conv2d(3, 77, 5)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    guess_architecture(outline("timm/regnety_002"))
    done.set()
    thread.join()
    assert faults == []


def test_what_was_looked_at_before_changes_no_answer() -> None:
    name = Architecture("torchvision", "squeezenet1_1")
    whole = outline(str(name))
    part = dict(list(whole.items())[:30])
    answers = []
    for _ in range(2):
        guess._given_up.clear()
        answers.append([guess._outline(name, part, allowed) is None for allowed in (10, 21, 22)])
        assert guess._outline(name, whole, 10) is not None  # and is kept from now on
    assert answers == [[True, True, False]] * 2
