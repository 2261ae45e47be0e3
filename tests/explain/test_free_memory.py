"""How much memory there is: files as Linux writes them, on a machine, in containers of both kinds, and in a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from explain import free_memory
from explain.free_memory import find_free_memory, find_memory, measure_free_memory

GB = 10**9
MEMINFO = "MemTotal: 9 kB\nMemAvailable:   62500000 kB\nMemFree: 1 kB\n"  # 64 GB


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 100 GB, of which 64 are free. The folder of its control groups."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(free_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(free_memory, "_GROUPS", tmp_path / "groups")
    pages = {"SC_PHYS_PAGES": 25_000_000, "SC_PAGE_SIZE": 4_000}
    monkeypatch.setattr(free_memory.os, "sysconf", pages.__getitem__)
    return tmp_path / "groups"


def write(folder: Path, limit: str, old: bool = False) -> None:
    """A group with a limit, which uses 5 GB, 1 of them for files that were read once."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(f"{limit}\n")
    (folder / ("memory.usage_in_bytes" if old else "memory.current")).write_text(f"{5 * GB}\n")
    stat = f"anon 1\ninactive_file {GB if not old else 0}\n" + f"total_inactive_file {GB}\n" * old
    (folder / "memory.stat").write_text(stat)


def test_without_a_limit_the_machine_s_memory_counts(machine: Path) -> None:
    assert (find_memory(), find_free_memory(), measure_free_memory()) == (100 * GB, 64 * GB, 0.64)
    write(machine, "max")
    write(machine / "memory", str(2**63 - 4096), old=True)  # what the older kind says for none
    (machine.parent / "own").write_text("no group\n")
    assert (find_memory(), find_free_memory()) == (100 * GB, 64 * GB)


@pytest.mark.parametrize("old", [False, True])
def test_in_a_container_its_own_counts(machine: Path, old: bool) -> None:
    # A small share of a large machine: by the machine's memory, a server in it would never be ready.
    write(machine / "memory" if old else machine, str(8 * GB), old)
    (machine.parent / "own").write_text("4:cpu,memory:/docker/868c\n0::/\n")  # the older kind has its name outside
    assert (find_memory(), find_free_memory(), measure_free_memory()) == (8 * GB, 4 * GB, 0.5)


def test_of_a_service_the_narrowest_limit_counts(machine: Path) -> None:
    (machine.parent / "own").write_text("0::/system.slice/camscope.service\n")
    write(machine / "system.slice" / "camscope.service", "max")
    write(machine / "system.slice", str(6 * GB))
    assert (find_memory(), find_free_memory()) == (6 * GB, 2 * GB)
    write(machine / "system.slice" / "camscope.service", str(5 * GB - 1))
    assert find_memory() == 5 * GB - 1
    assert find_free_memory() == GB - 1
    write(machine / "system.slice", str(3 * GB))  # was made narrower since
    assert find_free_memory() == 0 == measure_free_memory()


def test_where_nobody_says_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.parent / "meminfo").write_text("no such line\n")
    assert find_free_memory() is None and measure_free_memory() == 1
    monkeypatch.delattr(free_memory.os, "sysconf")
    assert find_memory() is None


def test_this_machine() -> None:
    assert 0 < measure_free_memory() <= 1
