"""How many axes there are is known in two files: a box's in the one, a grid's in the other. A third comes to a picture
some day, and whoever counts on two would then read the wrong numbers without a word.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KNOWING = {"explain/pictures/geometry.py", "explain/networks/layer.py"}
SEARCHED = ("app.py", "explain", "components", "pages", "benchmarks")
ONE, SEVERAL = ("box", "grid"), ("boxes", "grids")


def is_named(node: ast.expr, names: tuple[str, ...]) -> bool:
    """Whether it is a variable or an attribute of one of those names, or of one that ends so: `crop_box`."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.rsplit("_", 1)[-1] in names


def is_one(node: ast.expr) -> bool:
    """Whether it is a box or a grid, by its name: `box`, `layer.grid`, `boxes[0]`, or each of its numbers in turn."""
    if isinstance(node, ast.Subscript):
        return is_named(node.value, SEVERAL)
    if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        return is_one(node.generators[0].iter)
    return is_named(node, ONE)


def is_number(node: ast.expr) -> bool:
    """Whether an index is a number or a slice, not the name of one."""
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Slice) or (isinstance(node, ast.Constant) and isinstance(node.value, int))


def pair(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What an assignment gives to what; where both sides list several, one by one."""
    yield target, value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for part, given in zip(target.elts, value.elts, strict=False):
            yield from pair(part, given)


def counted_axes(source: str) -> list[int]:
    """The lines on which a box or a grid is taken apart by the number or the order of its axes."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and is_one(node.value) and is_number(node.slice):
            lines.append(node.lineno)
        elif isinstance(node, ast.Assign):
            pairs = [both for target in node.targets for both in pair(target, node.value)]
            if any(isinstance(target, (ast.Tuple, ast.List)) and is_one(value) for target, value in pairs):
                lines.append(node.lineno)
    return lines


def list_faults(root: Path) -> list[str]:
    """Every such line below `root` outside the files that may, as `file:line`."""
    found = []
    for name in SEARCHED:
        top = root / name
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            relative = path.relative_to(root).as_posix()
            if relative not in KNOWING:
                found += [f"{relative}:{line}" for line in counted_axes(path.read_text(encoding="utf-8"))]
    return found


def test_axes_are_counted_in_two_files() -> None:
    assert list_faults(ROOT) == []
    assert all((ROOT / name).exists() for name in (*KNOWING, *SEARCHED))


@pytest.mark.parametrize(
    "source",
    [
        "cells = layer.grid[0] * columns",
        'text = f"{layer.grid[0]}×"',
        "right = heatmap.box[2]",
        "right = box[-2]",
        "corner = crop_box[:2]",
        "least = boxes[0][2]",
        "rows, columns = model.grid",
        "left, top, right, bottom = pane.box",
        "left, top, right, bottom = (edge * factor for edge in box)",
        "def late():\n    (rows, columns), size = grid, (1, 2)",
    ],
)
@pytest.mark.parametrize("file", ["app.py", "components/maps/a.py"])
def test_counting_on_two_axes_is_found(tmp_path: Path, file: str, source: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert list_faults(tmp_path) == [f"{file}:{len(source.splitlines())}"]


@pytest.mark.parametrize(
    "source",
    [
        "first = boxes[0]",
        "first, second = boxes",
        "value = box[key]",
        "edges = [float(edge) for edge in box]",
        "part = [slice(at, at + 1) for at, count in zip(cell, layer.grid, strict=True)]",
        "rows, columns = box.spans",
        "tokens = patches.unflatten(2, layer.grid)",
        "grid, prefix = placed",
        "x = mailboxes[0] + toolbox[1]",
    ],
)
def test_what_does_not_count_is_none(tmp_path: Path, source: str) -> None:
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    assert list_faults(tmp_path) == []


def test_the_two_files_may(tmp_path: Path) -> None:
    for file in KNOWING:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("rows, columns = grid", encoding="utf-8")
    assert list_faults(tmp_path) == []
