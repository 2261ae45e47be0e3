"""The layout holds. Imports point downwards: app → pages → components → explain, and from room to room inside
`components/` and `explain/`; no files import each other in a circle; no file grows past a screenful of screenfuls.
Lazy imports inside functions, those for types only, and those by name count too.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"explain": 0, "components": 1, "pages": 2, "app": 3}
ROOMS = {
    "explain": [
        {"errors", "percent"},
        {"settings", "rights"},
        {"progress", "storage", "free_memory", "ray_cluster", "pictures", "networks"},
        {"passes", "bundled", "datasets"},
        {"methods", "models", "volumes", "worlds"},
        {"maps"},
        {"faithfulness"},
        {"engine", "training"},
        {"traits", "report"},
        {"collections", "remote"},
        {"commands"},
        {"__init__", "__main__"},
    ],
    "components": [
        {"server"},
        {"access"},
        {"words", "browser", "session"},
        {"choices"},
        {"maps"},
        {"studio", "collections"},
        {"truth"},
        {"page"},
        {"__init__"},
    ],
}
"""The floors of the rooms, from the ground up. Rooms of one floor do not know each other."""

MAKERS = ("explain.bundled.making", "explain.worlds.making", "explain.training.making")
"""The scripts that made the bundled weights and pictures. Tests hold them; nothing that runs knows them."""

LONGEST = {"explain": 450, "pages": 150}
"""Lines of a file."""

MOST_GIVEN = 6
"""Parameters of a private function."""

LIKE_TORCH = {"_attend", "_attend_multi_head"}
"""Stand in for functions of torch, whose parameters they take."""

TORCH = {"torch", "torchvision", "timm"}
FORBIDDEN = {"explain": {"streamlit"}, "components": TORCH, "pages": TORCH, "app": TORCH}
BESIDE = {"benchmarks", "tests"}
"""Stand beside the program. What both need is in `tests/support`; only a benchmark's own tests import benchmarks."""


@cache
def list_imported(source: str, package: str) -> tuple[tuple[str, int], ...]:
    """What `imported` finds, parsed once: several rules are about the same files."""
    return tuple(imported(source, package))


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
        for module, line in list_imported(path.read_text(encoding="utf-8"), ".".join(relative.parts[:-1])):
            top = module.split(".")[0]
            if FLOORS.get(top, -1) > FLOORS[floor] or top in FORBIDDEN[floor] | BESIDE:
                found.append(f"{relative.as_posix()}:{line} imports {module}")
    return sorted(set(found))


def list_borrowers(root: Path) -> list[str]:
    """The tests that import benchmarks though they test none."""
    found = []
    for path in (root / "tests").rglob("*.py"):
        relative = path.relative_to(root)
        names = list_imported(path.read_text(encoding="utf-8"), ".".join(relative.parts[:-1]))
        if relative.parts[1] != "benchmarks" and any(name.split(".")[0] == "benchmarks" for name, _ in names):
            found.append(relative.as_posix())
    return sorted(found)


def list_sources(root: Path, top: str) -> dict[str, Path]:
    """Every source below a folder of `root`, by its dotted name; a package goes by its own."""
    paths = (root / top).rglob("*.py")
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def list_edges(root: Path, top: str) -> dict[str, dict[str, int]]:
    """By source below `top`, the sources there that it imports, each with a line where it does."""
    sources = list_sources(root, top)
    edges: dict[str, dict[str, int]] = {}
    for name, path in sources.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        edges[name] = {}
        for module, line in list_imported(path.read_text(encoding="utf-8"), package):
            # What is imported is a name in a module, or a module: the longest beginning that is a source.
            while module and module not in sources:
                module = module.rpartition(".")[0]
            if module and module != name:
                edges[name].setdefault(module, line)
    return edges


def rooms_above(root: Path) -> list[str]:
    """Every import that runs upwards, or aside, from one room to another."""
    found = []
    for top, floors in ROOMS.items():
        floor_of = {room: number for number, floor in enumerate(floors) for room in floor}
        for name, imports in list_edges(root, top).items():
            room = name.split(".")[1] if "." in name else "__init__"
            for module, line in imports.items():
                other = module.split(".")[1] if "." in module else "__init__"
                if room not in floor_of or (other != room and floor_of.get(other, 99) >= floor_of[room]):
                    found.append(f"{name}:{line} imports {module}")
    return sorted(found)


def circles(root: Path, top: str) -> list[list[str]]:
    """The groups of sources that import each other, directly or by way of others."""
    edges = list_edges(root, top)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            fresh = set(edges[waiting.pop()]) - seen
            seen |= fresh
            waiting += fresh
        return seen

    reached = {name: reach(name) for name in edges}
    tied = {tuple(sorted(b for b in reached[a] if a in reached[b])) for a in edges if a in reached[a]}
    return sorted(map(list, tied))


def makers_used(root: Path) -> list[str]:
    """Every import, from outside them, of the scripts that made the bundled files."""
    found = []
    for path in [root / "app.py", *(path for name in (*FLOORS, "benchmarks") for path in (root / name).rglob("*.py"))]:
        relative = path.relative_to(root)
        package = ".".join(relative.parts[:-1])
        if path.exists() and package not in MAKERS:
            for module, line in list_imported(path.read_text(encoding="utf-8"), package):
                if f"{module}.".startswith(tuple(f"{makers}." for makers in MAKERS)):
                    found.append(f"{relative.as_posix()}:{line} imports {module}")
    return sorted(found)


def too_long(root: Path) -> list[str]:
    """Files of more lines than their floor allows."""
    found = []
    for top, most in LONGEST.items():
        for path in (root / top).rglob("*.py"):
            count = len(path.read_text(encoding="utf-8").splitlines())
            name = path.relative_to(root).as_posix()
            if count > most:
                found.append(f"{name} has {count} lines")
    return sorted(found)


def crowded(root: Path) -> list[str]:
    """Private functions that take more than six things: some of them are one thing without a name."""
    found = []
    for top in LONGEST:
        for path in (root / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and re.match("_[^_]", node.name) and node.name not in LIKE_TORCH:
                    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                    if len([one for one in given if one.arg not in ("self", "cls")]) > MOST_GIVEN:
                        found.append(f"{path.relative_to(root).as_posix()}:{node.lineno} {node.name}")
    return sorted(found)


def plant(root: Path, file: str, source: str) -> None:
    """Write a source below `root`."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


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
        ("explain/a.py", "from components.browser.canvas import canvas"),
        ("explain/deep/a.py", "import importlib\nimportlib.import_module('pages.compare')"),
        ("components/a.py", "def late():\n    import torch"),
        ("components/a.py", "from pages import compare"),
        ("components/a.py", "import app"),
        ("pages/a.py", "import timm.layers"),
        ("pages/a.py", "__import__('torchvision')"),
        ("pages/a.py", "import app"),
        ("app.py", "from torch import nn"),
        ("explain/a.py", "from tests.support.network import make_picture"),
        ("app.py", "def late():\n    import benchmarks.timing"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, source: str) -> None:
    plant(tmp_path, file, source)
    assert len(faults(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("explain/methods/a.py", "from . import base\nfrom ..errors import ExplainError\nimport torch"),
        ("components/a.py", "import streamlit\nfrom explain.methods.base import Settings\nfrom .b import pane"),
        ("pages/a.py", "from components.browser.canvas import canvas\nfrom explain import Engine"),
        ("app.py", "import streamlit\nimport pages.compare"),
    ],
)
def test_a_right_import_is_none(tmp_path: Path, file: str, source: str) -> None:
    plant(tmp_path, file, source)
    assert faults(tmp_path) == []


def test_only_their_own_tests_import_benchmarks(tmp_path: Path) -> None:
    assert list_borrowers(ROOT) == []
    plant(tmp_path, "tests/benchmarks/test_a.py", "from benchmarks.a import take_time")
    plant(tmp_path, "tests/explain/test_a.py", "def late():\n    from benchmarks import a")
    plant(tmp_path, "tests/conftest.py", "from tests.support.dashboard import Server")
    assert list_borrowers(tmp_path) == ["tests/explain/test_a.py"]


def test_rooms_stand_on_rooms_below() -> None:
    assert rooms_above(ROOT) == []


def test_every_room_is_there_and_says_what_lives_in_it() -> None:
    for top, floors in ROOMS.items():
        named = set().union(*floors) - {"__init__"}
        there = {
            path.stem for path in (ROOT / top).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        assert there - {"__init__"} == named
        for room in (ROOT / top).iterdir():
            if (room / "__init__.py").exists() and room.name != "methods":  # whose sign is its list
                source = (room / "__init__.py").read_text(encoding="utf-8")
                assert [type(node) for node in ast.parse(source).body] == [ast.Expr], f"{room} does more than say"
                assert len(source.splitlines()) == 1


@pytest.mark.parametrize("top", ROOMS)
def test_the_floors_are_drawn_as_they_stand(top: str) -> None:
    drawn = re.search(rf"^{top} ((?:.+\n)(?: +·.+\n)*)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M)
    assert drawn is not None
    floors = [{room.strip() for room in floor.split(",")} for floor in drawn[1].split("·")]
    assert floors == [floor for floor in ROOMS[top] if "__init__" not in floor]


@pytest.mark.parametrize("top", ROOMS)
def test_no_circle(top: str) -> None:
    assert circles(ROOT, top) == []


def test_nothing_that_runs_knows_how_the_bundled_files_were_made() -> None:
    assert makers_used(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("explain/models/a.py", "from explain.bundled.making.photographs import CLASSES"),
        ("explain/models/a.py", "def late():\n    from explain.bundled import making"),
        ("explain/bundled/a.py", "from .making import recipes"),
        ("explain/bundled/birds/a.py", "from ..making.aviary import normalise"),
        ("components/a.py", "import importlib\nimportlib.import_module('explain.bundled.making.train')"),
        ("benchmarks/a.py", "import explain.bundled.making.train"),
        ("explain/worlds/a.py", "from explain.worlds.making import train"),
        ("app.py", "import explain.bundled.making"),
    ],
)
def test_a_use_of_the_makers_is_found(tmp_path: Path, file: str, source: str) -> None:
    plant(tmp_path, "explain/bundled/making/a.py", "from explain.bundled.making import recipes\nfrom . import train")
    plant(tmp_path, "explain/bundled/b.py", "from explain.bundled import making_of, models")
    assert makers_used(tmp_path) == []
    plant(tmp_path, file, source)
    assert len(makers_used(tmp_path)) == 1


def test_no_file_is_too_long() -> None:
    assert too_long(ROOT) == []


def test_no_private_function_takes_too_much(tmp_path: Path) -> None:
    assert crowded(ROOT) == []
    plant(
        tmp_path,
        "explain/a.py",
        "class A:\n    def _fine(self, a, b, c, d, e, f): ...\n    def _full(self, a, b, c, d, *, e, f, g): ...",
    )
    assert crowded(tmp_path) == ["explain/a.py:3 _full"]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("explain/pictures/a.py", "from explain.maps.heatmap import Heatmap"),
        ("explain/pictures/a.py", "def late():\n    from explain.engine.engine import Engine"),
        (
            "explain/pictures/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from explain.engine import b",
        ),
        ("explain/pictures/a.py", "import importlib\nimportlib.import_module('explain.engine.engine')"),
        ("explain/pictures/a.py", "from ..engine import engine"),
        ("explain/pictures/a.py", "import explain.networks.head"),  # of the same floor
        ("explain/engine/a.py", "from explain import Engine"),  # the face is for others
        ("explain/attic/a.py", "from explain.errors import ExplainError"),  # a room that no floor names
        ("components/choices/a.py", "from components.page import link"),
        ("components/choices/a.py", "def late():\n    import components.maps.rows"),
        ("components/browser/part/__init__.py", "from ...session.work import Work"),
    ],
)
def test_a_wrong_way_between_rooms_is_found(tmp_path: Path, file: str, source: str) -> None:
    for room in ("maps/heatmap", "engine/engine", "engine/b", "networks/head", "errors", "__init__"):
        plant(tmp_path, f"explain/{room}.py", "")
    for room in ("page/link", "maps/rows", "session/work", "__init__"):
        plant(tmp_path, f"components/{room}.py", "")
    assert rooms_above(tmp_path) == []
    plant(tmp_path, file, source)
    assert len(rooms_above(tmp_path)) == 1


@pytest.mark.parametrize(
    "back",
    [
        "from explain.maps.a import one",
        "def late():\n    from explain.maps import a",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from explain.maps.a import one",
        "__import__('explain.maps.a')",
        "from .a import one",
    ],
)
def test_a_circle_is_found(tmp_path: Path, back: str) -> None:
    plant(tmp_path, "explain/maps/a.py", "from explain.maps.b import two")
    plant(tmp_path, "explain/maps/b.py", "from explain.maps.c import three")
    plant(tmp_path, "explain/maps/c.py", "")
    assert circles(tmp_path, "explain") == []
    plant(tmp_path, "explain/maps/c.py", back)
    assert circles(tmp_path, "explain") == [["explain.maps.a", "explain.maps.b", "explain.maps.c"]]


def test_a_long_file_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "explain/maps/a.py", "\n" * LONGEST["explain"])
    plant(tmp_path, "pages/a.py", "\n" * (LONGEST["pages"] + 1))
    assert too_long(tmp_path) == ["pages/a.py has 151 lines"]


@pytest.mark.parametrize(
    "module",
    [
        "explain",
        "explain.__main__",
        "explain.pictures.picture",
        "explain.maps.render",
        "explain.methods",
        "explain.bundled.pictures",
        "explain.training.run",
        "explain.collections.cluster",  # and with it the worker
        "explain.training.worker",  # whoever starts it waits until it holds its lock
    ],
)
def test_the_light_part_of_the_library_does_not_load_torch(module: str) -> None:
    assert modules_after(f"import {module}") & (TORCH | {"streamlit"}) == set()


def test_torch_would_be_seen() -> None:
    """What the test above would see if torch were loaded: that test can fail."""
    assert "torch" in modules_after("import explain.networks.pooling")


def test_components_load_without_torch() -> None:
    """The page is painted before torch is imported, so no component may pull it in."""
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "components").rglob("*.py")
    )
    assert names, "components/ is empty"
    assert modules_after("\n".join(f"import {name}" for name in names)) & TORCH == set()
