"""Ray, told to keep to itself: an extra, imported only where several devices or another computer are asked for."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from explain.errors import ExplainError, make_printable

_STORE = 80 * 2**20  # bytes, near the least that Ray takes: no pictures go through it
_SECONDS_TO_REACH = 10.0
_LONGEST = 200
_PREFIX = "camscope-ray-"
_ROOT = Path(__file__).resolve().parents[1]
_DEVICE = "CAMSCOPE_DEVICE"
_HANDED_ON = (_DEVICE, "CAMSCOPE_PRECISION", "CAMSCOPE_HOME")

PLACE = "/tmp" if sys.platform != "win32" else None
"""Where a cluster keeps its sockets, whose paths may not be long, and its logs, until it ends."""


def import_ray(what: str, address: str | None) -> Any:
    """Ray. No statistics leave, and whoever speaks to a cluster that is started here must know its word.

    Args:
        what: what needs it, as the beginning of a sentence.
        address: of a cluster, which has a word of its own; None where one is to be started here.

    Raises:
        ExplainError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ExplainError(
            f"{what} needs Ray, which is not installed here: `pip install -r requirements-cluster.txt`."
        ) from None


@contextlib.contextmanager
def connecting(ray: Any, address: str | None) -> Iterator[None]:
    """While entered, there is a cluster: that of the address, or one on this computer that leaves nothing behind.

    Raises:
        ExplainError: it cannot be reached or started.
    """
    told: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with contextlib.ExitStack() as stack:
        if address is None:
            _remove_leftovers()
            kept = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=PLACE, ignore_cleanup_errors=True)
            )
            told |= {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
            told |= {"object_store_memory": _STORE, "_temp_dir": kept}
        else:
            told["address"] = address
        try:
            _reach(address)
            ray.init(**told)
        except Exception as error:  # of many kinds: no such address, no word, another version
            where = "be started here" if address is None else f"be reached at {address}"
            raise ExplainError(f"No Ray cluster could {where}: {shorten(error)}") from None
        try:
            yield
        finally:
            ray.shutdown()


def count_gpus(resources: Mapping[str, float]) -> int:
    """The GPUs among what a cluster has; none where models are to run on the CPU.

    Args:
        resources: as Ray names and counts them.
    """
    return 0 if os.environ.get(_DEVICE, "").strip().lower() == "cpu" else int(resources.get("GPU", 0))


def hand_on(**variables: str) -> dict[str, Any]:
    """The `runtime_env` of a process on a cluster, which finds this CAMscope and is set up as this process is.

    Args:
        variables: of its environment, besides or instead.
    """
    told = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return {"env_vars": told | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(_ROOT)} | variables}


def _reach(address: str | None) -> None:
    """Ask whether anybody listens at an address; Ray would wait for many minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    if address in (None, "auto"):
        return
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port:
        raise ValueError("an address is HOST:PORT, or auto")
    socket.create_connection((parts.hostname, parts.port), _SECONDS_TO_REACH).close()


def _remove_leftovers() -> None:
    """Remove what clusters left behind whose process was killed: the logs of theirs, in which paths may stand."""
    if PLACE is None:
        return
    for folder in Path(PLACE).glob(f"{_PREFIX}*-*"):
        try:
            os.kill(int(folder.name.removeprefix(_PREFIX).partition("-")[0]), 0)  # asks only whether it lives
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):
            continue


def shorten(error: Exception) -> str:
    """The last words of what Ray says, which are the cause, as a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return make_printable(lines[-1] if lines else type(error).__name__, _LONGEST).rstrip(".") + "."
