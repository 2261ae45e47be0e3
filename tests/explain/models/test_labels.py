"""Names of classes: what it takes to know them."""

import subprocess
import sys
from pathlib import Path

from explain.bundled.class_names import CLASSES
from explain.models.labels import known_labels

ROOT = Path(__file__).resolve().parents[3]


def test_the_names_of_cifar10_load_neither_torch_nor_what_made_the_models() -> None:
    code = (
        "import sys; from explain.models.labels import known_labels; print(*known_labels('cifar10')); "
        "print([n for n in sys.modules if n.startswith(('torch', 'timm', 'explain.bundled.making'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    names, loaded = done.stdout.splitlines()
    assert tuple(names.split()) == CLASSES == known_labels("cifar10")
    assert loaded == "[]"
