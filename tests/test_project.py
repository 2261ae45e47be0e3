"""What holds for the repository as a whole: pins, weights, licences, the README, and nothing of one machine in it."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from explain.bundled.pictures import FOLDER as PICTURES
from explain.bundled.pictures import bundled_pictures

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*")
SOLD_AS = {"PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn"}
FREE = {"CC0-1.0", "public-domain", "CC-BY-2.0", "CC-BY-4.0", "Apache-2.0", "MIT"}
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
    return [line for line in lines if line and not line.startswith("-r ")]


def test_nothing_names_this_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {place}" for place in PLACES if place in text]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-bench.txt"])
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
    assert sum(path.stat().st_size for path in (ROOT / "assets" / "models").rglob("*") if path.is_file()) < 15e6
    cards = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "assets" / "models").glob("*.md"))
    assert [path.name for path in weights if path.name not in cards] == [], "weights no model card speaks of"


def test_bundled_pictures_are_free_and_complete() -> None:
    pictures = bundled_pictures()
    assert 5 <= len(pictures) <= 16
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


def test_the_readme_lists_the_methods_as_they_are_declared() -> None:
    from explain.methods.table import methods_table

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    between = text.split("<!-- methods -->")[1].split("<!-- /methods -->")[0]
    assert between.strip() == methods_table().strip(), "put there what `python -m explain.methods.table` prints"


def test_the_readme_names_every_requirement_and_only_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in requirements("requirements.txt"):
        assert f"| {line.split('==')[0]} |" in text
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link.split("#")[0]).exists()] == []


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
