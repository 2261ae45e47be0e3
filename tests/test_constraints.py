"""What is installed is what was tried: every package that a requirement brings with it is pinned, too."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-server.txt", "requirements-audit.txt")

MENDED_IN = {
    "authlib": "1.9.0",  # CVE-2025-61920, CVE-2026-27962, CVE-2026-28490, CVE-2026-28498, CVE-2026-44681
    "starlette": "1.3.1",  # CVE-2024-47874, CVE-2025-54121, CVE-2025-62727, CVE-2026-48818, CVE-2026-54283
    "streamlit": "1.54.0",  # CVE-2022-35918, CVE-2024-42474, CVE-2026-10804, CVE-2026-33682
}
"""The least version without a hole that was found: what is known where `make audit` reaches no registry."""


def read_pins(path: Path) -> dict[str, str]:
    """The versions that a file pins, by the packages' names."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pins = [line.split("==") for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(name): version for name, version in pins}


def list_brought(names: set[str]) -> dict[str, str]:
    """The packages that others bring with them, and themselves, with the versions installed here; what is not
    installed brings nothing.
    """
    found: dict[str, str] = {}
    waiting = [(canonicalize_name(name), "") for name in names]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            there = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = Version(there.version).public  # torch's build for one processor is of the same version
        for line in there.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                fresh = {(canonicalize_name(needed.name), part) for part in (needed.extras or {""})} - seen
                seen |= fresh
                waiting += fresh
    return found


def test_all_that_comes_along_is_pinned_as_it_is_here() -> None:
    pins = read_pins(ROOT / "constraints.txt")
    brought = list_brought({name for file in FILES for name in read_pins(ROOT / file)})
    assert "uvicorn" in brought and "itsdangerous" in brought
    wrong = {name: version for name, version in brought.items() if pins.get(name) != version}
    assert wrong == {}, "put these into constraints.txt"


def test_requirements_and_constraints_say_the_same() -> None:
    pins = read_pins(ROOT / "constraints.txt")
    for file in FILES:
        for name, version in read_pins(ROOT / file).items():
            assert pins.get(name) == version, f"{name} in {file}"
        assert "-c constraints.txt" in (ROOT / file).read_text(encoding="utf-8") or "-r requirements.txt" in (
            ROOT / file
        ).read_text(encoding="utf-8")


def test_every_constraint_is_one_version_in_order() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert names == sorted(set(names))


@pytest.mark.parametrize("name", MENDED_IN)
def test_no_pin_has_a_hole_that_is_known(name: str) -> None:
    assert Version(read_pins(ROOT / "constraints.txt")[name]) >= Version(MENDED_IN[name])


def test_what_installs_reads_the_constraints() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert ".venv/installed: requirements.txt constraints.txt" in makefile, "installed anew when a pin changes"
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "COPY requirements.txt constraints.txt" in dockerfile
    installs = re.findall(r"pip install .*", makefile + dockerfile + (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert installs and all("-r requirements" in line for line in installs)


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# why\n-r b.txt\nPyYAML==6.0 # too\n", encoding="utf-8")
    assert read_pins(tmp_path / "a.txt") == {"pyyaml": "6.0"}
    brought = list_brought({"streamlit", "no-such-package"})
    assert {"streamlit", "starlette", "anyio"} <= set(brought) and "no-such-package" not in brought
