"""What is freed goes back to the system, where that is known how."""

import platform
from types import SimpleNamespace
from typing import Any

import pytest

from components.server import allocator
from components.server.allocator import bound_arenas, give_back


@pytest.mark.parametrize(("environment", "asked"), [({}, [(-8, 2)]), ({"MALLOC_ARENA_MAX": "4"}, [])])
def test_whoever_bounds_arenas_themselves_is_heard(
    environment: dict[str, str], asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    libc = SimpleNamespace(mallopt=lambda *given: called.append(given))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _name: libc)
    bound_arenas(environment)
    assert called == asked


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Any:
        raise OSError(f"{name}: no such file")

    monkeypatch.setattr(allocator.ctypes, "CDLL", find)
    bound_arenas({})
    give_back()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _name: object())
    bound_arenas({})
    give_back()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_glibc_has_what_is_called() -> None:
    libc = allocator.ctypes.CDLL("libc.so.6")
    assert libc.mallopt and libc.malloc_trim
