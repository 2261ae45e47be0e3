"""Which device and precision: what the environment says, what there is, and what is said of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.errors import DeviceError
from explain.networks.device import (
    Precision,
    describe_device,
    find_device,
    has_half,
    measure_half,
    measure_memory,
    move,
    read_device_settings,
    runs_out_of_memory,
    set_arithmetic,
)


@pytest.mark.parametrize(
    ("environment", "device", "precision"),
    [
        ({}, "auto", "float32"),
        ({"CAMSCOPE_DEVICE": "", "CAMSCOPE_PRECISION": " "}, "auto", "float32"),
        ({"CAMSCOPE_DEVICE": "cuda:1"}, "cuda:1", "float32"),
        ({"CAMSCOPE_DEVICE": " CPU ", "CAMSCOPE_PRECISION": "BFloat16", "OTHER": "1"}, "cpu", "bfloat16"),
    ],
)
def test_the_environment_chooses(environment: dict[str, str], device: str, precision: str) -> None:
    settings = read_device_settings(environment)
    assert (settings.device, settings.precision) == (device, precision)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"CAMSCOPE_DEVICE": "gpu"}, "CAMSCOPE_DEVICE cannot be “gpu”. It takes auto, cpu, cuda, cuda:0 or mps."),
        ({"CAMSCOPE_DEVICE": "cuda:x"}, "CAMSCOPE_DEVICE cannot be “cuda:x”."),
        ({"CAMSCOPE_PRECISION": "half"}, "“half”. It takes float32, float16 or bfloat16."),
    ],
)
def test_what_the_environment_cannot_ask_for_is_a_sentence(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(DeviceError) as caught:
        read_device_settings(environment)
    assert sentence in str(caught.value)


def test_an_engine_does_what_the_environment_says_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_DEVICE", "cpu")
    monkeypatch.setenv("CAMSCOPE_PRECISION", "bfloat16")
    assert Engine().description == "CPU, bfloat16"
    assert Engine(precision="float32").description == "CPU"
    monkeypatch.setenv("CAMSCOPE_DEVICE", "tpu")
    with pytest.raises(DeviceError):
        Engine()


@pytest.mark.parametrize(
    ("cuda", "mps", "found"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, False, "cuda")]
)
def test_auto_takes_the_fastest(cuda: bool, mps: bool, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert find_device("auto") == found
    assert find_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3", "mps"])
def test_a_device_that_is_not_there_is_a_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=f"no device “{name}”"):
        find_device(name)


def test_a_device_in_a_short_phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA {device}")
    assert describe_device("cpu", "float32") == "CPU"
    assert describe_device("cuda:1", "bfloat16") == "NVIDIA cuda:1, bfloat16"
    assert describe_device("mps", "float16") == "Apple GPU (MPS), float16"


def test_weights_are_moved_once_and_stay_fit_for_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    with torch.inference_mode():
        move(module, "meta")
    assert module.weight.is_meta and not module.weight.is_inference()
    monkeypatch.setattr(nn.Module, "to", lambda *_: pytest.fail("moved again"))
    move(module, "meta")
    move(nn.Identity(), "meta")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_known_by_its_words(error: Exception, expected: bool) -> None:
    assert runs_out_of_memory(error) == expected


@pytest.mark.parametrize(("half", "speed"), [(0.5, 2.0), (8.0, 0.125)])
def test_a_trial_tells_whether_half_precision_is_of_use(
    monkeypatch: pytest.MonkeyPatch, half: float, speed: float
) -> None:
    """On a machine whose clock goes on by 1 for a convolution in full, and by `half` for one in half precision."""
    clock = [0.0]

    def convolve(pictures: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        clock[0] += half if torch.is_autocast_enabled("cpu") else 1.0
        return pictures

    monkeypatch.setattr(torch.nn.functional, "conv2d", convolve)
    monkeypatch.setattr("explain.networks.device.time.perf_counter", lambda: clock[0])
    assert measure_half.__wrapped__("cpu") == speed
    assert measure_half.__wrapped__("cuda:1") == 1.0


def test_a_device_says_how_much_of_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_allocated", {"cuda:1": 99}.get)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 77)
    assert [measure_memory(device) for device in ("cuda:1", "mps", "cpu")] == [99, 77, 0]


@pytest.mark.parametrize("ask", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_half_precision_is_there_where_the_processor_says_so(monkeypatch: pytest.MonkeyPatch, ask: str) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_half.__wrapped__("cpu")
    monkeypatch.setattr(torch.cpu, ask, lambda: True)
    assert has_half.__wrapped__("cpu") and not has_half.__wrapped__("cuda:0")


def read_switches() -> list[bool]:
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    fused = [cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.cudnn_sdp_enabled()]
    return [cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, cuda.matmul.allow_tf32, *fused]


EXACT = [False, False, True, False, False, False, False]


@pytest.fixture
def quick_caller() -> Iterator[list[bool]]:
    """Someone who has switched on all that is quicker and less exact; as it was, afterwards."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = read_switches()
    cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, matmul.allow_tf32 = True, True, False, True
    yield read_switches()
    cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, matmul.allow_tf32 = before[:4]


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_cuda_networks_calculate_exactly_whatever_the_caller_has_switched_on(
    precision: Precision, quick_caller: list[bool]
) -> None:
    with pytest.raises(ValueError), set_arithmetic("cuda:0", precision):
        assert read_switches() == EXACT
        with set_arithmetic("cuda", "float32"):
            assert read_switches() == EXACT
        assert read_switches() == EXACT  # as long as anyone is in there
        raise ValueError
    assert read_switches() == quick_caller
    with set_arithmetic("cpu", precision):
        assert read_switches() == quick_caller


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_of_two_threads_the_last_to_go_puts_the_switches_back(quick_caller: list[bool]) -> None:
    inside, go = threading.Event(), threading.Event()

    def calculate() -> list[bool]:
        with set_arithmetic("cuda", "float32"):
            inside.set()
            go.wait(20)
            return read_switches()

    with ThreadPoolExecutor(1) as pool:
        with set_arithmetic("cuda", "float32"):
            other = pool.submit(calculate)
            assert inside.wait(20)
        assert read_switches() == EXACT
        go.set()
        assert other.result(20) == EXACT
    assert read_switches() == quick_caller


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_a_caller_who_uses_the_newer_switches_too_is_no_fault(quick_caller: list[bool]) -> None:
    """Torch then refuses to say how the older ones stand."""
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    with pytest.raises(RuntimeError):
        _ = torch.backends.cuda.matmul.allow_tf32
    with set_arithmetic("cuda", "float32"):
        assert read_switches() == EXACT


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.usefixtures("quick_caller")
def test_who_could_not_begin_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nobody would be the first any more, and all who come later would calculate as the caller did."""
    fused = read_switches()[4:]
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.cuda, "enable_cudnn_sdp", lambda _: int("a switch that is stuck"))
        with pytest.raises(ValueError), set_arithmetic("cuda", "float32"):
            pass
    torch.backends.cudnn.allow_tf32 = True
    with set_arithmetic("cuda", "float32"):
        assert read_switches() == EXACT
    cuda = torch.backends.cuda
    for enable, on in zip((cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp), fused, strict=False):
        enable(on)


def test_half_a_network_is_never_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is put back where it was; else it would pass for a network that is there."""
    module, asked = nn.Linear(2, 2), []

    def move_half(_module: nn.Module, device: torch.device) -> None:
        asked.append(device.type)
        if device.type == "meta":
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(nn.Module, "to", move_half)
    with pytest.raises(torch.OutOfMemoryError):
        move(module, "meta")
    assert asked == ["meta", "cpu"]
