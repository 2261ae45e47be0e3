"""Trainings in processes of their own: paused, killed, resumed, cancelled, swept out."""

import hashlib
import io
import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from explain.datasets.dataset import DataSet, Example
from explain.errors import ExplainError, StorageError
from explain.models.load import load_model
from explain.models.prompt_library import list_prompts, read_card, read_prompts
from explain.models.request import ModelRequest, build_file_request
from explain.networks.torchvision_operators import declare_missing_operators
from explain.training import run as training_run
from explain.training import saving
from explain.training.loop import train_prompts
from explain.training.outcome import Epoch, Tell, Trained
from explain.training.process_lock import take_lock
from explain.training.recipe import PromptRecipe
from explain.training.run import Phase, RunState, TrainingRun, sweep_runs
from explain.training.run_folder import Words
from explain.training.saving import save_trained, train_and_save
from explain.training.worker import work

VIT = ModelRequest(source="bundled", name="photo-vit")
RECIPE = PromptRecipe(epochs=6, batch=4, patience=0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CAMSCOPE_HOME", str(folder))
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as a run takes: more of them round sums in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    yield
    torch.set_num_threads(before)


def make_set() -> DataSet:
    examples = []
    for number in range(16):
        pixels = np.random.default_rng(number).integers(0, 120, (24, 24, 3), np.uint8)
        pixels[:, :, number % 2] += 100
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        data = file.getvalue()
        split = "val" if number >= 12 else "train"
        examples.append(Example(f"{number}.png", hashlib.sha256(data).hexdigest(), number % 2, split, data))
    return DataSet(("red", "green"), tuple(examples))


def prepare_run(
    dataset: DataSet, monkeypatch: pytest.MonkeyPatch, backbone: ModelRequest = VIT, weights: bytes | None = None
) -> TrainingRun:
    """A run whose process has not been started."""
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        return TrainingRun.start(dataset, backbone, RECIPE, "My prompts", weights)


def wait(run: TrainingRun, until: Callable[[RunState], bool], seconds: float = 120) -> RunState:
    end = time.monotonic() + seconds
    while not until(state := run.state()):
        assert time.monotonic() < end, (state, (run.folder / "log.txt").read_text())
        time.sleep(0.02)
    return state


@pytest.mark.parametrize("phase", get_args(Phase))
def test_a_run_is_running_while_its_process_is_there(phase: Phase) -> None:
    state = RunState(phase, "birds", (), 1, 0.0, None, "", None)
    assert state.is_running == (phase in {"preparing", "training", "paused"})


def test_a_run_is_paused_killed_resumed_and_ends_as_if_nothing_had_been(one_thread: None) -> None:
    dataset = make_set()
    recipe = RECIPE.model_copy(update={"epochs": 40})
    run = TrainingRun.start(dataset, VIT, recipe, "My prompts")
    assert run.state().phase in ("preparing", "training")
    state = wait(run, lambda state: len(state.epochs) >= 2)
    assert state.phase == "training" and state.name == "My prompts" and state.epochs_planned == 40
    assert 0 < state.share < 1 and state.seconds_left is not None and state.seconds_left > 0
    run.pause()
    assert run.state().phase == "paused"
    time.sleep(0.3)  # it waits after the batch at hand
    before = len(run.state().epochs)
    time.sleep(0.3)
    assert len(run.state().epochs) == before < 40

    os.kill(int((run.folder / "alive").read_text()), signal.SIGKILL)
    again = TrainingRun.find(run.token)
    assert again is not None
    wait(again, lambda state: state.phase == "interrupted")
    (run.folder / "alive").write_text(str(os.getpid()))  # its number is another process's by now
    assert again.state().phase == "interrupted"
    assert again.dataset().fingerprint == dataset.fingerprint

    again.resume()
    state = wait(again, lambda state: state.phase not in ("preparing", "training"))
    assert (state.phase, state.name, state.share, state.message) == ("done", "my-prompts", 1.0, "")
    assert [epoch.number for epoch in state.epochs] == list(range(1, 41))
    assert state.report is not None and state.report.epochs == state.epochs

    trained = train_prompts(load_model(VIT), dataset, recipe)
    _, tensors, _ = read_prompts("my-prompts")
    for name, tensor in trained.tensors.items():
        assert torch.equal(tensors[name], tensor), name
    card = read_card("my-prompts")
    assert (card.classes, card.backbone, card.variant, card.pictures) == (("red", "green"), VIT, "last", 16)
    assert card.accuracy == state.report.accuracy and card.recipe == recipe.model_dump()
    assert load_model(card.request).labels == ("red", "green")
    assert not list(run.folder.glob("*.safetensors"))
    again.cancel()
    assert again.state().phase == "done"  # what is over stays as it is


def test_a_run_cancelled_within_an_epoch_keeps_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)

    def train_and_cancel(*args: Any, tell: Tell, should_stop: Callable[[], bool], **kwargs: Any) -> Trained:
        steps = 0

        def tell_and_see(said: Epoch | str, share: float | None) -> None:
            tell(said, share)
            nonlocal steps
            steps = 0

        def stop() -> bool:
            nonlocal steps
            steps += 1
            if steps == 2 and len(run.state().epochs) == 1:
                run.cancel()
                time.sleep(0.2)  # it looks no more often
            return should_stop()

        return train_prompts(*args, tell=tell_and_see, should_stop=stop, **kwargs)

    monkeypatch.setattr("explain.training.worker.train_prompts", train_and_cancel)
    work(run.files)
    state = run.state()
    assert (state.phase, len(state.epochs), list_prompts()) == ("cancelled", 1, [])
    assert not any((run.folder / name).exists() for name in ("pictures", "checkpoint.safetensors", "features"))
    with pytest.raises(ExplainError):
        run.dataset()
    run.resume()
    assert run.state().phase == "cancelled"


def test_a_run_that_was_killed_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    assert run.state().phase == "interrupted"
    run.cancel()
    assert run.state().phase == "cancelled"
    assert not (run.folder / "pictures").exists()


def test_a_name_that_is_taken_gets_a_number() -> None:
    dataset, loaded = make_set(), load_model(VIT)
    trained = train_prompts(loaded, dataset, RECIPE.model_copy(update={"epochs": 1}))
    names = [save_trained("My prompts", loaded, dataset, RECIPE, trained) for _ in range(3)]
    assert names == ["my-prompts", "my-prompts-2", "my-prompts-3"]


def test_a_vit_from_a_file_is_kept_with_the_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_missing_operators()
    import timm

    weights = safetensors.torch.save(timm.create_model("test_vit", img_size=32, num_classes=2).state_dict())
    request = build_file_request(weights, "mine.safetensors", architecture="timm/test_vit", input_size=32)
    run = prepare_run(make_set(), monkeypatch, request, weights)
    work(run.files)
    state = run.state()
    assert state.phase == "done", state.message
    assert not (run.folder / "backbone").exists()
    loaded = load_model(ModelRequest(source="prompts", name=state.name))
    assert loaded.labels == ("red", "green") and loaded.prompted is not None and loaded.prompted.variant == "last"


def test_what_goes_wrong_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    for path in (run.folder / "pictures" / "pictures").iterdir():
        path.write_bytes(b"damaged")
    work(run.files)
    state = run.state()
    assert state.phase == "failed" and "has changed" in state.message

    run = prepare_run(make_set(), monkeypatch, ModelRequest(source="bundled", name="photo-cnn"))
    work(run.files)
    assert run.state().message.startswith("“photo-cnn” cannot be trained. Prompt-CAM needs a plain ViT")

    run = prepare_run(make_set(), monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("explain.training.worker.train_prompts", lambda *args, **kwargs: 1 / 0)
        work(run.files)
    assert "fault of CAMscope (ZeroDivisionError)" in run.state().message


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_once_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)

    def fail(*args: object, **kwargs: object) -> None:
        raise StorageError("The disk is full, so nothing was saved. Make room and try again.")

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_prompts", fail)
        work(run.files)
    assert (run.state().phase, run.state().message[:17]) == ("failed", "The disk is full,")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: work(self.files))
        run.resume()
    assert run.state().phase == "done"

    with monkeypatch.context() as patch:
        patch.setattr(DataSet, "save", fail)
        with pytest.raises(StorageError):
            TrainingRun.start(make_set(), VIT, RECIPE, "x")
    assert [path.name for path in run.folder.parent.iterdir()] == [run.token]


def test_only_tokens_are_ever_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    found = TrainingRun.find(run.token)
    assert found is not None and found.folder == run.folder
    (home / "order.json").write_bytes((run.folder / "order.json").read_bytes())
    for text in ("", "..", "../..", "a" * 43, run.token + "\n", run.token[:-1], "../" + run.token, run.token + "/."):
        assert TrainingRun.find(text) is None


def test_progress_cut_short_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    words = Words(run.folder / "progress.jsonl")
    words.say(phase="preparing", message="Loading")
    with (run.folder / "progress.jsonl").open("a") as file:
        file.write('{"phase": "trai')
    words.say(phase="failed", message="Sorry")
    assert (run.state().phase, run.state().message) == ("failed", "Sorry")


def test_old_runs_are_swept_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, working = (prepare_run(make_set(), monkeypatch) for _ in range(3))
    long_ago = time.time() - (training_run.DAYS_KEPT + 1) * 86_400
    lock = take_lock(working.folder / "alive")
    for run in (old, working):
        for path in (*run.folder.iterdir(), run.folder):
            os.utime(path, (long_ago, long_ago))
    outside = home / "outside"
    outside.mkdir()
    (home / "runs" / "link").symlink_to(outside, target_is_directory=True)
    sweep_runs()
    assert lock is not None
    lock.close()
    assert not old.folder.exists()
    assert new.folder.exists() and working.folder.exists() and outside.exists()


def test_two_processes_never_work_on_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    lock = take_lock(run.folder / "alive")
    assert lock is not None
    work(run.files)
    assert not (run.folder / "progress.jsonl").exists()
    lock.close()


def test_the_order_is_kept_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_set(), monkeypatch)
    order = json.loads((run.folder / "order.json").read_text())
    assert order["recipe"]["epochs"] == 6 and order["backbone"]["name"] == "photo-vit"


def test_the_command_lines_training_goes_on_where_it_was_stopped(home: Path) -> None:
    dataset, loaded = make_set(), load_model(VIT)

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
    assert (name, len(report.epochs), told) == ("x", 6, [2 / 6])
    assert list((home / "runs").iterdir()) == []


def test_train_prompts_on_the_command_line(tmp_path: Path, run: Callable[[str], tuple[int, str, str]]) -> None:
    for number, example in enumerate(make_set().examples):
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
    assert "class  pictures  right" in printed and "% right on the validation pictures, after epoch" in printed
    recipe = read_card("tints").recipe
    assert (recipe["epochs"], recipe["mirror"], recipe["batch"], recipe["seed"]) == (3, False, 4, 5)
    status, printed, _ = train("--out", "tints", "--epochs", "1", "--json")
    assert status == 0 and json.loads(printed)["name"] == "tints-2"

    for words, sentence in (
        (("--epochs", "0"), "Epochs cannot be 0"),
        (("--backbone", "photo-cnn"), "“photo-cnn” cannot be trained. Prompt-CAM needs a plain ViT"),
        (("--resume",), "There is no unfinished training"),
    ):
        status, _, said = train("--out", "x", *words)
        assert status == 2 and sentence in said and "Traceback" not in said
