"""Training on the command line ends with prompts in the library, and goes on where it was stopped."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from explain.errors import ExplainError
from explain.models.load import load_model
from explain.models.prompt_library import read_card
from explain.training.outcome import Epoch
from explain.training.saving import train_and_save
from tests.support.training import RECIPE, VIT, make_two_colours


def test_the_command_lines_training_goes_on_where_it_was_stopped(home: Path) -> None:
    dataset, loaded = make_two_colours(), load_model(VIT)

    def stop(said: Epoch | str, share: float | None) -> None:
        if isinstance(said, Epoch) and said.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(ExplainError, match="no unfinished training"):
        train_and_save("x", loaded, dataset, RECIPE, None, True, stop)
    with pytest.raises(KeyboardInterrupt):
        train_and_save("x", loaded, dataset, RECIPE, None, False, stop)
    told: list[float | None] = []
    name, report = train_and_save(
        "x", loaded, dataset, RECIPE, None, True, lambda said, share: told.append(share) if said == "Training" else None
    )
    assert (name, len(report.epochs), told) == ("x", 6, [2 / 6 / 3])
    assert list((home / "runs").iterdir()) == []


def test_train_prompts_on_the_command_line(tmp_path: Path, run: Callable[[str], tuple[int, str, str]]) -> None:
    for number, example in enumerate(make_two_colours().examples):
        path = tmp_path / "set" / ("red", "green")[number % 2] / example.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(example.data)
    (tmp_path / "set" / "red" / "broken.png").write_bytes(b"no picture")

    def train(*words: str) -> tuple[int, str, str]:
        return run(shlex.join(["train-prompts", str(tmp_path / "set"), *words]))

    status, printed, said = train("--out", "tints", "--epochs", "3", "--no-mirror", "--batch", "4", "--seed", "5")
    assert status == 0, said
    assert "epoch 3/3: loss" in said and "left out: red/broken.png" in said
    assert "Saved as tints. Use it by --model prompts:tints." in printed
    assert "class  right of     95 % interval" in printed and "Kept are the prompts of epoch" in printed
    recipe, said_of_it = read_card("tints").recipe, read_card("tints").describe_accuracy()
    assert f"{said_of_it[:1].upper()}{said_of_it[1:]}. Each picture was named once" in printed
    assert "of 16 right (95 % interval" in said_of_it and "too few to say" in said_of_it
    assert (recipe["epochs"], recipe["mirror"], recipe["batch"], recipe["seed"]) == (3, False, 4, 5)
    table = tmp_path / "patients.csv"
    table.write_text("picture,patient\n" + "".join(f"{n}.png,patient {n // 4}\n" for n in range(16)))
    status, printed, _ = train("--out", "tints", "--epochs", "1", "--json", "--groups", str(table))
    said_as_data = json.loads(printed)
    assert status == 0 and said_as_data["name"] == "tints-2" and said_as_data["groups"] == 4
    assert read_card("tints-2").recipe["together"] == "table"
    assert said_as_data["in words"][0] == read_card("tints-2").describe_accuracy()

    for words, sentence in (
        (("--epochs", "0"), "Epochs cannot be 0"),
        (("--backbone", "photo-cnn"), "“photo-cnn” cannot be trained. Prompt-CAM needs a plain ViT"),
        (("--resume",), "There is no unfinished training"),
        (("--together", "*"), "Write GROUP once"),
        (("--together", "table"), "needs the table"),
        (("--together", "GROUP.*", "--groups", str(table)), "Leave one of them out"),
    ):
        status, _, said = train("--out", "x", *words)
        assert status == 2 and sentence in said and "Traceback" not in said
