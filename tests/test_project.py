"""What holds for the repository as a whole: pins, weights, licences, what its pages say, and nothing of one machine."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

from explain.bundled.pictures import FOLDER as PICTURES
from explain.bundled.pictures import bundled_pictures
from tests.support.workers import TOGETHER

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==[0-9][0-9A-Za-z.]*")
SOLD_AS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "sklearn": "scikit-learn",
    "gdcm": "python-gdcm",
    "prometheus_client": "prometheus-client",
}
FREE = {"CC0-1.0", "public-domain", "CC-BY-2.0", "CC-BY-4.0", "Apache-2.0", "MIT", "unrestricted"}
# Written in halves so that this file does not name what it forbids.
PLACES = [
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/",
    "py" + "pi.org",
    "pythonho" + "sted.org",
    "download.py" + "torch",
]
PLACES += ["npmjs" + ".org", "--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "de" + "b.debian"]


def tracked() -> list[Path]:
    """The files git knows; the test is skipped in a copy without its history."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("Not a git checkout.")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def requirements(name: str) -> list[str]:
    """The lines of a requirements file that name a package."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    ".deploy/README.md",
    "explain/methods/README.md",
    "explain/collections/README.md",
    "explain/remote/README.md",
    "assets/pictures/README.md",
]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "assets" / "models").glob("*.md"))
"""What is written for people who read the repository."""

FIGURES_OF_SPEECH = {"class/picture"}
"""What looks like a path and is a pattern."""


def read_page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def list_blocks(text: str, language: str = "") -> list[str]:
    """What stands between fences of a language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for named, block in blocks if named == language]


def list_code(text: str) -> list[str]:
    """What a page gives to type or to find: lines of shell, broken ones joined, and what sentences quote."""
    lines = [line for block in list_blocks(text, "sh") for line in block.replace("\\\n", "").splitlines()]
    return lines + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


def list_missing(text: str, folder: Path) -> list[str]:
    """What a page in `folder` names and is not there: links, paths, names of the library, modules, and commands."""
    missing = [link for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text) if not (folder / link).exists()]
    targets = set(re.findall(r"^([a-z-]+):", read_page("Makefile"), re.MULTILINE))
    for code in list_code(text):
        missing += [module for module in re.findall(r"python3? -m ([\w.]+)", code) if not can_be_run(module)]
        missing += [target for target in re.findall(r"^make ([a-z-]+)", code) if target not in targets]
        missing += list_unknown_words(code)
        if not is_there(code, folder):
            missing.append(code)
    return missing


def is_there(code: str, folder: Path) -> bool:
    """False for what is written like a name of the library, a benchmark or a path, and is none."""
    if re.fullmatch(r"explain(\.\w+)+", code):
        return can_be_named(code)
    if re.fullmatch(r"benchmarks\.\w+", code):
        return can_be_run(code)
    return not is_a_path(code) or can_be_found(code, folder)


def is_a_path(code: str) -> bool:
    """Whether it is written like one."""
    suffixes = r"[\w*]\.(py|js|css|md|txt|toml|json|jpg|png|safetensors)$"
    plain = re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", code) is not None and code not in FIGURES_OF_SPEECH
    return plain and ("/" in code or re.search(suffixes, code) is not None)


def can_be_found(path: str, folder: Path) -> bool:
    """Whether a file goes by this path, from the root or from the page's folder; example pictures go by their names."""
    return any(any(place.glob(path)) for place in (ROOT, folder, PICTURES))


def can_be_named(name: str) -> bool:
    """Whether `explain.room.file.name` is there."""
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def can_be_run(module: str) -> bool:
    """Whether `python -m` finds the module, and one of ours does something then."""
    try:
        spec = find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    if spec is None or spec.origin is None:
        return False
    ours = module.split(".")[0] in {"explain", "benchmarks"}
    return not ours or '__name__ == "__main__"' in Path(spec.origin).read_text(encoding="utf-8")


def list_unknown_words(code: str) -> list[str]:
    """Commands and flags in a line that `python -m explain` does not know."""
    from explain.__main__ import app

    _, called, words = code.partition("python -m explain ")
    if not called:
        return []
    command, *words = shlex.split(words, comments=True)
    known = get_command(app).commands
    if command not in known:
        return [command]
    flags = {"--help"}.union(*(parameter.opts for parameter in known[command].params))
    return [word for word in words if word.startswith("--") and word not in flags]


def read_tree(text: str) -> dict[str, list[str]]:
    """By folder at the root that the README draws, the folders drawn in it."""
    drawn: dict[str, list[str]] = {}
    for line in next(block for block in list_blocks(text) if block.startswith("app.py")).splitlines():
        inner, name = re.fullmatch(r"( *)([\w.]+)/? .*", line).groups()  # type: ignore[union-attr]
        if inner:
            drawn[list(drawn)[-1]].append(name)
        else:
            drawn[name] = []
    return drawn


def test_nothing_names_this_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {place}" for place in PLACES if place in text]
    assert found == []


@pytest.mark.parametrize(
    "name",
    [f"requirements{kind}.txt" for kind in ("", "-dev", "-server", "-bench", "-audit", "-cluster")],
)
def test_requirements_are_pinned(name: str) -> None:
    lines = requirements(name)
    assert lines
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_requirements_are_what_is_imported() -> None:
    """Nothing is missing from the list, and nothing is on it that no file of the program imports."""
    files = [
        ROOT / "app.py",
        *(path for top in ("pages", "components", "explain") for path in (ROOT / top).rglob("*.py")),
    ]
    imported = set()
    for path in filter(Path.exists, files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    own = {"app", "pages", "components", "explain"}
    needed = {SOLD_AS.get(name, name) for name in imported - own - set(sys.stdlib_module_names)}
    assert needed == {line.split("==")[0] for line in requirements("requirements.txt")}


def test_bundled_models_are_small() -> None:
    weights = list((ROOT / "assets" / "models").rglob("*.safetensors"))
    assert weights
    assert sum(path.stat().st_size for path in (ROOT / "assets" / "models").rglob("*") if path.is_file()) < 36e6
    cards = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "assets" / "models").glob("*.md"))
    assert [path.name for path in weights if path.name not in cards] == [], "weights no model card speaks of"


def test_bundled_pictures_are_free_and_complete() -> None:
    pictures = bundled_pictures()
    assert 5 <= len(pictures) <= 22
    assert len({picture.name for picture in pictures}) == len(pictures)
    assert {picture.path for picture in pictures} == set(PICTURES.glob("*.jpg"))
    credits = (PICTURES / "README.md").read_text(encoding="utf-8")
    for picture in pictures:
        assert picture.licence in FREE
        assert picture.path.name in credits
        assert picture.path.stat().st_size < 150_000
        with Image.open(picture.path) as image:
            assert image.format == "JPEG"
            assert 300 <= min(image.size) <= max(image.size) <= 900
            assert not image.getexif()


def test_bundled_pictures_show_classes_the_models_know() -> None:
    from explain.bundled.models import bundled_models

    known = {name for model in bundled_models() for name in model.classes}
    assert {name for picture in bundled_pictures() for name in picture.classes} <= known


def test_the_table_lists_the_methods_as_they_are_declared() -> None:
    from explain.methods import all_methods
    from explain.methods.table import methods_table

    between = read_page("explain/methods/README.md").split("<!-- methods -->")[1].split("<!-- /methods -->")[0]
    assert between.strip() == methods_table().strip(), "put there what `python -m explain.methods.table` prints"
    assert "[thirty-one explanation methods](explain/methods/README.md)" in read_page("README.md")
    assert len(all_methods()) == 31


def test_the_readme_names_every_requirement() -> None:
    listed = read_page("README.md").split("## What it is built on")[1].split("\n## ")[0]
    packages = [line.split("==")[0] for line in requirements("requirements.txt")]
    assert [package for package in packages if f"`{package}`" not in listed] == []


def test_the_readme_is_short_enough_to_be_read_to_the_end() -> None:
    text = read_page("README.md")
    assert len(text.splitlines()) <= 130
    assert len(read_page("CONTRIBUTING.md").splitlines()) < 80
    commands = list_blocks(text, "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in commands] == ["make run", "make test"]
    assert text.index("**Not for diagnostic use.**") < text.index("\n## ")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_what_is_there(page: str) -> None:
    assert list_missing(read_page(page), (ROOT / page).parent) == []


@pytest.mark.parametrize(
    "text",
    [
        "see [the cards](assets/cards)",
        "see [the cards](assets/cards#top)",
        "in `explain/methods/no_cam.py`",
        "in `explain/no_room/`",
        "the file `no-cnn.safetensors`",
        "beside it `*.pieces.png`",
        "the names in `explain.bundled.birds.species.PIECES`",
        "by `python -m explain.bundled.train photo-cnn`",
        "```sh\n.venv/bin/python -m benchmarks.nothing --json FILE\n```",
        "`benchmarks.timing` measures",  # there, but nothing to run
        "`make tea`, then drink it",
        "```sh\npython -m explain explore cat.jpg\n```",
        "```sh\npython -m explain show cat.jpg \\\n    --no-such-flag\n```",
    ],
)
def test_what_is_not_there_is_found(text: str) -> None:
    assert len(list_missing(text, ROOT / "assets" / "pictures")) == 1


def test_the_readme_draws_the_rooms_as_they_stand() -> None:
    drawn = read_tree(read_page("README.md"))
    for top in ("explain", "components"):
        assert sorted(drawn[top]) == sorted(path.parent.name for path in (ROOT / top).glob("*/__init__.py"))
    assert [name for name in drawn if not (ROOT / name).exists()] == []


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat.jpg").write_bytes((PICTURES / "cat.jpg").read_bytes())
    monkeypatch.chdir(tmp_path)
    (lines,) = list_blocks(read_page("README.md"), "python")
    names: dict[str, Any] = {}
    exec(lines, names)
    assert "four maps" in lines
    assert len(names["explanation"].pictures[0].maps) == 4
    assert {"figure.png", "maps.npz", "manifest.json"} < {path.name for path in (tmp_path / "out").iterdir()}


def test_the_server_keeps_to_itself() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "localhost"
    assert config["server"]["enableXsrfProtection"] is True
    assert config["runner"]["postScriptGC"] is False
    assert "://" not in json.dumps(config), "a font or a theme from elsewhere"


def test_streamlit_knows_every_option_of_ours() -> None:
    """A misspelt option is only a line in the server's log."""
    from streamlit import config

    ours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))

    def names(table: dict[str, object], prefix: str) -> list[str]:
        nested = [(f"{prefix}{key}", value) for key, value in table.items()]
        return [n for name, value in nested for n in (names(value, f"{name}.") if isinstance(value, dict) else [name])]

    known = set(config.get_config_options())
    assert [name for name in names(ours, "") if name not in known] == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_one_worker_runs_all_that_drive_the_same_dashboard() -> None:
    """Whose file is not named in `tests/support/workers.py` has another worker start a server of its own."""
    named = sorted(file for files in TOGETHER.values() for file in files)
    drive = re.compile(r"\bapp_url\b|serve\(['\"]app\.py['\"]\)")
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert named == sorted(
        path.relative_to(ROOT).as_posix() for path in tests if drive.search(path.read_text(encoding="utf-8"))
    )
