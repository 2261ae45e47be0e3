"""Lets torchvision be imported beside a torch build that its compiled operators do not fit.

`torchvision` registers Python "fake" kernels for `torchvision::nms` and `torchvision::qnms` while it is imported. Where
its C++ library cannot be loaded (a CPU-only torch beside the CUDA wheel of torchvision), those operators have no
schema and the import, and with it `import timm`, dies with "operator torchvision::nms does not exist". Declaring the
two schemas first is enough: CAMscope never calls either operator.

On a healthy install this does nothing: where the operators' own library loads, it declares all that this version of
torchvision asks for, and that need not be both.
"""

import importlib.machinery
import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_library: torch.library.Library | None = None


def declare_missing_operators() -> list[str]:
    """Declare torchvision's operator schemas where its own library cannot, and return the names declared.

    Call it before torchvision or timm is imported. It may be called any number of times.
    """
    global _library
    if all(map(_is_declared, _SCHEMAS)) or _load_own_library():
        return []
    missing = [name for name in _SCHEMAS if not _is_declared(name)]
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in missing:
        _library.define(_SCHEMAS[name])
    return missing


def _is_declared(name: str) -> bool:
    return bool(torch._C._jit_get_schemas_for_operator(f"torchvision::{name}"))


def _load_own_library() -> bool:
    """Try to load torchvision's compiled operators without importing torchvision; tell whether that is done."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        candidate = Path(spec.origin).parent / f"_C{suffix}"
        if candidate.exists():
            try:
                torch.ops.load_library(str(candidate))
            except OSError:
                continue
            return True
    return False
