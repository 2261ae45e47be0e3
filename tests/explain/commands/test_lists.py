"""What the command line lists."""

import json
from collections.abc import Callable

from explain.methods import all_methods

Run = Callable[[str], tuple[int, str, str]]


def test_lists_are_json_on_demand(run: Run) -> None:
    _, printed, _ = run("methods --json")
    listed = json.loads(printed)
    assert [entry["name"] for entry in listed] == list(all_methods())
    eps = next(entry for entry in listed if entry["name"] == "cf-cam")["settings"]["eps"]
    assert eps["minimum"] < eps["default"] < eps["maximum"]

    _, printed, _ = run("models --json")
    assert {entry["name"] for entry in json.loads(printed)["bundled"]} == {
        "phantom-3d",
        "imagenet-cnn",
        "photo-cnn",
        "photo-vit",
        "birds-cnn",
        "birds-vit",
        "chest-xray",
        "scan-mri",
        "scan-mri-tumour",
    }

    _, printed, _ = run("layers photo-cnn --json")
    layers = json.loads(printed)
    assert [entry["name"] for entry in layers if entry["default"]] == ["stages.1"]
    assert layers[-1]["grid"] == [8, 8]
