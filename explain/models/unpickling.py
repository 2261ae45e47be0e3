"""What `torch.save` wrote, read without running any of it: tensors and plain containers, and stand-ins for the rest."""

from __future__ import annotations

import argparse
import io
import pickletools
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first number of a file that `torch.save` wrote before it wrote archives."""

_LONGEST_PICKLE = 32 * 2**20
_MOST_STAND_INS = 500
_MOST_RETRIES = 8

_PLAIN_BUILTINS = {
    *("object", "set", "frozenset", "slice", "range", "complex", "bytearray", "int", "float", "str", "bool"),
    *("list", "dict", "tuple", "bytes"),
}
_MODULES_THAT_ACT = {
    *("io", "_io", "os", "posix", "nt", "sys", "subprocess", "commands", "shutil", "socket", "importlib", "runpy"),
    *("ctypes", "pty", "code", "pickle", "_pickle", "marshal", "webbrowser", "http", "urllib", "requests"),
    *("multiprocessing", "asyncio", "signal", "tempfile", "pip", "bdb", "pdb", "timeit", "cProfile"),
}
"""No training script keeps anything of these beside its weights: who meets them has been sent a trap."""

_lock = threading.Lock()
"""torch keeps its list of what may be built for the whole process."""


class StandIn:
    """In the place of an object of a class that is not known here. It runs nothing and keeps what it was given.

    Attributes:
        origin: full name of the class or function it stands for.
        given: what the object was made from.
        state: its attributes.
    """

    origin = ""
    given: tuple = ()
    state: Any = None

    def __new__(cls, *given: Any) -> StandIn:
        self = super().__new__(cls)
        self.given = given
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class NumberType:
    """In the place of a numpy dtype."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: tuple) -> None:
        if len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class NumberArray:
    """In the place of a numpy array, whose numbers can be had as a tensor."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def read(self) -> Tensor | None:
        """The numbers; None where there are none."""
        import numpy as np
        import torch

        try:
            _, shape, kind, in_columns, data = self.state
            if not isinstance(kind, NumberType) or not re.fullmatch(r"[fiu][1248]|b1", kind.code):
                return None
            array = np.frombuffer(data, np.dtype(kind.order + kind.code))
            array = array.reshape(shape, order="F" if in_columns else "C")
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
        except (ValueError, TypeError):
            return None


def _read_number(kind: Any, data: Any = b"") -> float | None:
    """In the place of numpy's maker of single numbers."""
    array = NumberArray()
    array.state = (1, (1,), kind, False, data)
    numbers = array.read()
    return None if numbers is None or numbers.numel() != 1 else numbers.item()


def _make_array(*_: Any) -> NumberArray:
    return NumberArray()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """In the place of `_codecs.encode`: how protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("these are no bytes")
    return text.encode("latin1")


class _AsMapping:
    """In the place of a class derived from dict."""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


class _AsList:
    """In the place of a class derived from list."""

    def __new__(cls, *_: Any) -> Any:
        return []


_NUMPY: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": NumberArray,
    "numpy.dtype": NumberType,
    "_codecs.encode": _encode,
    **{f"numpy.{core}.multiarray.scalar": _read_number for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": _make_array for core in ("core", "_core")},
}


@dataclass(frozen=True)
class Unpickled:
    """What was in a file.

    Attributes:
        content: tensors in plain containers, with a `StandIn` for each object whose class is not known here.
        strangers: full names of those classes.
    """

    content: Any
    strangers: tuple[str, ...]


def read_pickle(data: bytes, pickle: bytes | None, name: str) -> Unpickled:
    """Read a file of `torch.save` by torch's unpickler for weights, which builds what it is told it may, no more.

    Args:
        data: the file's bytes.
        pickle: the part of an archive that says what is in it; None for a file from before there were archives.
        name: what to call the file in an error.

    Raises:
        ModelError: it is damaged, or something in it would act on this machine if it were opened by other programs.
    """
    damaged = f"“{name}” is damaged or cut short. Copy it again."
    if pickle is not None and len(pickle) > _LONGEST_PICKLE:
        raise ModelError(
            f"“{name}” holds more than {_LONGEST_PICKLE // 2**20} MB that are no tensors, such as weights kept as "
            f"NumPy arrays. {SAVE_ALONE}"
        )
    try:
        known = set(_list_globals(data if pickle is None else pickle, legacy=pickle is None))
    except ModelError:
        raise
    except Exception:  # the parser of a hostile file may raise anything
        raise ModelError(damaged) from None
    acting = sorted(path for path in known if _acts(path))
    if acting:
        raise ModelError(say_code(name, acting[0]))
    if pickle is None and not _starts_as_torch_does(data):
        raise ModelError(
            f"“{name}” was written by pickle and not by torch.save: it would run code when opened, so it was not "
            f"opened. {SAVE_ALONE}"
        )
    strangers = sorted(path for path in known if not _is_known(path))
    if len(strangers) > _MOST_STAND_INS:
        raise ModelError(say_code(name, strangers[0]))
    return Unpickled(_load(data, strangers, name), tuple(path for path in strangers if path not in _NUMPY))


SAVE_ALONE = "Save the weights alone: torch.save(model.state_dict(), path)."


def say_code(name: str, path: str) -> str:
    """Why a file is not opened."""
    return f"“{name}” would run code when opened ({path}), so it was not opened. {SAVE_ALONE}"


def _load(data: bytes, strangers: list[str], name: str) -> Any:
    import torch

    makers: dict[str, Any] = {}
    for number, path in enumerate(strangers):
        makers[path] = _NUMPY.get(path) or type(f"StandIn{number}", (StandIn,), {"origin": path})
    for _ in range(_MOST_RETRIES):
        allowed: list[Any] = [argparse.Namespace, *((maker, path) for path, maker in makers.items())]
        try:
            # A namespace holds values and runs nothing.
            with _lock, torch.serialization.safe_globals(allowed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # the parser of a hostile file may raise anything
            text = str(error)
            kind = _AsMapping if "Can only SETITEM" in text else _AsList if re.search("append|extend", text) else None
            met = re.search(r"\bStandIn(\d+)\b", text)
            if kind is not None and met is not None:
                makers[strangers[int(met.group(1))]] = kind
                continue
            named = re.search(r"GLOBAL ([\w.]+)", text)
            if named or "is not allowed" in text:
                raise ModelError(say_code(name, named.group(1) if named else "unknown")) from None
            if re.search(r"protocol [3-9]|Unsupported operand (140|148|149|147)", text):
                raise ModelError(
                    f"“{name}” was saved with pickle protocol 4 or 5, and weights are read safely from protocol "
                    "2 only. Save it again with torch.save(model.state_dict(), path), which takes that."
                ) from None
            break
    raise ModelError(f"“{name}” is damaged or cut short. Copy it again.")


def _acts(path: str) -> bool:
    """Whether what a name stands for does something to the machine, or makes something else do it."""
    module, _, name = path.rpartition(".")
    root = module.partition(".")[0]
    if root in ("builtins", "__builtin__"):
        return name not in _PLAIN_BUILTINS
    return root in _MODULES_THAT_ACT or (root == "torch" and name == "_load_from_bytes")


def _is_known(path: str) -> bool:
    """Whether torch's unpickler for weights builds it by itself."""
    from torch._weights_only_unpickler import _get_allowed_globals

    return path in _get_allowed_globals() or path == "argparse.Namespace"


def _starts_as_torch_does(data: bytes) -> bool:
    """Whether the first that is pickled, after what every pickle of its protocol starts with, is torch's number."""
    codes = pickletools.genops(data)
    return next((given for code, given, _ in codes if code.name not in ("PROTO", "FRAME")), None) == _MAGIC


def _list_globals(data: bytes, legacy: bool) -> Iterator[str]:
    """Full names of everything that a pickle would fetch. Runs nothing.

    Args:
        data: the pickle.
        legacy: several follow each other, and then the numbers.
    """
    from torch._weights_only_unpickler import IMPORT_MAPPING, NAME_MAPPING

    stream = io.BytesIO(data)
    pickles = 5 if legacy and _starts_as_torch_does(data) else 1
    for _ in range(pickles):
        memo: dict[int, Any] = {}
        strings: list[Any] = []
        for code, argument, position in pickletools.genops(stream):
            if position and position > _LONGEST_PICKLE:
                raise ValueError("too long")
            if code.name == "GLOBAL" or code.name == "INST":
                module, _, name = str(argument).partition(" ")
                if (module, name) in NAME_MAPPING:
                    module, name = NAME_MAPPING[(module, name)]
                yield f"{IMPORT_MAPPING.get(module, module)}.{name}"
            elif code.name == "STACK_GLOBAL":
                yield ".".join(str(part) for part in strings[-2:])
            elif code.name == "MEMOIZE":
                memo[len(memo)] = strings[-1] if strings else None
            elif "PUT" in code.name and strings:
                memo[int(str(argument))] = strings[-1]
            elif "GET" in code.name:
                strings.append(memo.get(int(str(argument))))
            elif isinstance(argument, str):
                strings.append(argument)
            del strings[:-8]
