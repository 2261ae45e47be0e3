"""Imports point downwards only: app → pages → components → explain. Lazy imports inside functions count too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"explain": 0, "components": 1, "pages": 2, "app": 3}
TORCH = {"torch", "torchvision", "timm"}
FORBIDDEN = {"explain": {"streamlit"}, "components": TORCH, "pages": TORCH, "app": TORCH}


def imported(source: str, package: str) -> Iterator[tuple[str, int]]:
    """Every module a source imports, by its full name, with the line: `import`, `from`, relative, and by name.

    Args:
        source: Python text.
        package: dotted name of the package the text belongs to, which relative imports start from.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.args[0].value, node.lineno


def faults(root: Path) -> list[str]:
    """Every import under `root` that points upwards or is forbidden on its floor, as `file:line imports module`."""
    files = [root / "app.py", *(path for name in FLOORS for path in (root / name).rglob("*.py"))]
    found = []
    for path in filter(Path.exists, files):
        relative = path.relative_to(root)
        floor = relative.parts[0].removesuffix(".py")
        for module, line in imported(path.read_text(encoding="utf-8"), ".".join(relative.parts[:-1])):
            top = module.split(".")[0]
            if FLOORS.get(top, -1) > FLOORS[floor] or top in FORBIDDEN[floor]:
                found.append(f"{relative.as_posix()}:{line} imports {module}")
    return sorted(set(found))


def modules_after(statement: str) -> set[str]:
    """Top-level modules that are loaded in a fresh interpreter once it has run `statement`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return set(done.stdout.split())


def test_imports_point_downwards() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("explain/a.py", "import streamlit as st"),
        ("explain/a.py", "def late():\n    from streamlit import cache_data"),
        ("explain/a.py", "from components.canvas import canvas"),
        ("explain/deep/a.py", "import importlib\nimportlib.import_module('pages.compare')"),
        ("components/a.py", "def late():\n    import torch"),
        ("components/a.py", "from pages import compare"),
        ("components/a.py", "import app"),
        ("pages/a.py", "import timm.layers"),
        ("pages/a.py", "__import__('torchvision')"),
        ("pages/a.py", "import app"),
        ("app.py", "from torch import nn"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert len(faults(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("explain/methods/a.py", "from . import base\nfrom ..errors import ExplainError\nimport torch"),
        ("components/a.py", "import streamlit\nfrom explain.methods.base import Settings\nfrom .b import pane"),
        ("pages/a.py", "from components.canvas import canvas\nfrom explain import Engine"),
        ("app.py", "import streamlit\nimport pages.compare"),
    ],
)
def test_a_right_import_is_none(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    "module",
    [
        "explain",
        "explain.picture",
        "explain.render",
        "explain.methods",
        "explain.bundled.pictures",
        "explain.training_run",
    ],
)
def test_the_light_part_of_the_library_does_not_load_torch(module: str) -> None:
    assert modules_after(f"import {module}") & (TORCH | {"streamlit"}) == set()


def test_torch_would_be_seen() -> None:
    """What the test above would see if torch were loaded: that test can fail."""
    assert "torch" in modules_after("import explain.promptcam")


def test_components_load_without_torch() -> None:
    """The page is painted before torch is imported, so no component may pull it in."""
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "components").rglob("*.py")
    )
    assert names, "components/ is empty"
    assert modules_after("\n".join(f"import {name}" for name in names)) & TORCH == set()
