"""Trainings as a page sees them, in processes of their own: paused, killed, resumed, cancelled, swept out."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import safetensors.torch
import torch

from explain.datasets.groups import count_groups
from explain.errors import ExplainError
from explain.models.attention_library import load_attention
from explain.models.load import load_model
from explain.models.prompt_library import list_prompts, read_card, read_prompts
from explain.models.request import ModelRequest, build_file_request
from explain.networks.torchvision_operators import declare_missing_operators
from explain.training import detached
from explain.training.attention_loop import train_attention
from explain.training.attention_recipe import AttentionRecipe
from explain.training.loop import train_prompts
from explain.training.outcome import Epoch, Preparing, Tell, Trained
from explain.training.process_lock import take_lock
from explain.training.run import Phase, RunState, TrainingRun, find_runs_of, sweep_runs
from explain.training.run_folder import RunFolder, Words
from explain.training.saving import save_trained
from explain.training.worker import work
from tests.support.people import asking, make_actor
from tests.support.training import RECIPE, VIT, make_two_colours, prepare_run

CNN = ModelRequest(source="bundled", name="photo-cnn")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as a run takes: more of them round sums in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    yield
    torch.set_num_threads(before)


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


# The process of a run that goes no further than its second epoch until it is paused, however late that is looked at.
AWAITING_THE_PAUSE = """
import time
from explain.training import worker
from explain.training.outcome import Epoch

hear = worker.Words.hear


def hear_and_wait(words, said, share):
    hear(words, said, share)
    if isinstance(said, Epoch) and said.number == 2:
        end = time.monotonic() + 300
        while not words._path.with_name("pause").exists() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(2 * worker._SECONDS_BETWEEN_LOOKS)  # it looks no more often


worker.Words.hear = hear_and_wait
worker.main()
"""


def start_awaiting_the_pause(words: list[str], **given: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", AWAITING_THE_PAUSE, words[-1]], **given)


def test_a_run_is_paused_killed_resumed_and_ends_as_if_nothing_had_been(
    one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_two_colours()
    recipe = RECIPE.model_copy(update={"epochs": 12, "folds": 0})
    with monkeypatch.context() as patch:
        own = SimpleNamespace(Popen=start_awaiting_the_pause, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
        patch.setattr(detached, "subprocess", own)
        run = TrainingRun.start(dataset, VIT, recipe, "My prompts")
    assert run.state().phase in ("preparing", "training")
    state = wait(run, lambda state: len(state.epochs) >= 2)
    assert state.phase == "training" and state.name == "My prompts" and state.epochs_planned == 12
    assert 0 < state.share < 1 and state.seconds_left is not None and state.seconds_left > 0
    run.pause()
    assert run.state().phase == "paused"
    assert os.getpriority(os.PRIO_PROCESS, int((run.folder / "alive").read_text())) == 10, "the dashboard comes first"
    time.sleep(0.6)  # it waits after the batch at hand
    assert len(run.state().epochs) == 2

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
    assert [epoch.number for epoch in state.epochs] == list(range(1, 13))
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


@pytest.mark.slow
def test_attention_that_is_killed_in_training_ends_the_same_to_the_bit(one_thread: None) -> None:
    recipe = AttentionRecipe(epochs=12, batch=8, judged=1)
    run = TrainingRun.start(make_two_colours(), CNN, recipe, "Killed")
    wait(run, lambda state: len(state.epochs) >= 2)
    os.kill(int((run.folder / "alive").read_text()), signal.SIGKILL)
    wait(run, lambda state: state.phase == "interrupted")
    run.resume()
    state = wait(run, lambda state: not state.is_running)
    assert (state.phase, state.name, len(state.epochs)) == ("done", "killed", 12)
    whole = train_attention(load_model(CNN), make_two_colours(), recipe)
    kept = load_attention("killed", state.digest).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in whole.tensors.items())


def test_a_run_that_ends_while_it_is_looked_at_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    lock = take_lock(run.files.lock)
    assert lock is not None
    Words(run.files.progress).say(phase="training", message="Saving", share=1.0)
    before = list(run.files.read_progress())

    def end_after_the_reading(self: RunFolder) -> Iterator[dict[str, Any]]:
        Words(run.files.progress).say(phase="failed", message="The disk is full.")
        lock.close()
        return iter(before)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "read_progress", end_after_the_reading)
        assert run.state().phase == "training"
    assert (run.state().phase, run.state().message) == ("failed", "The disk is full.")


def test_a_run_cancelled_within_an_epoch_keeps_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)

    def train_and_cancel(*args: Any, tell: Tell, should_stop: Callable[[], bool], **kwargs: Any) -> Trained:
        steps = 0

        def tell_and_see(said: Epoch | Preparing | str, share: float | None) -> None:
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


def test_a_run_that_keeps_nothing_has_no_pictures_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_two_colours()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        recipe = RECIPE.model_copy(update={"epochs": 1, "learning_rate": 1e-5})
        run = TrainingRun.start(dataset, VIT, recipe, "tints", keep=False)
    work(run.files)
    state = run.state()
    assert (state.phase, state.keeps, run.find_labels()) == ("done", False, ("red", "green"))
    assert state.report is not None and state.report.accuracy < 100 and state.report.wrong == ()
    assert not run.files.pictures.exists() and not run.can_start_again
    left = b"".join(path.read_bytes() for path in run.folder.rglob("*") if path.is_file()).decode()
    assert not any(example.digest in left or example.name in left for example in dataset.examples)

    card = read_card("tints")
    assert state.digest == card.digest and [found.token for found in find_runs_of(card)] == [run.token]
    assert find_runs_of(card.model_copy(update={"digest": "others"})) == []
    run.delete()
    run.delete()
    assert not run.folder.exists() and read_card("tints") == card


def test_what_fails_and_keeps_nothing_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        run = TrainingRun.start(make_two_colours(), VIT, RECIPE, "tints", keep=False)
        patch.setattr("explain.training.worker.train_prompts", lambda *args, **kwargs: 1 / 0)
        work(run.files)
    assert run.state().phase == "failed" and not run.files.pictures.exists()


def test_a_run_is_deleted_when_nobody_works_on_it_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    lock = take_lock(run.folder / "alive")
    assert lock is not None
    with pytest.raises(ExplainError, match="Cancel it first"):
        run.delete()
    lock.close()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        again = run.start_again()
    assert again.token != run.token and again.dataset() == run.dataset()
    assert again.files.read_order().recipe == run.files.read_order().recipe
    run.delete()
    assert TrainingRun.find(run.token) is None and TrainingRun.find(again.token) is not None


def test_groups_are_told_by_names_before_names_are_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_two_colours()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        recipe = RECIPE.model_copy(update={"together": "GROUP.*"})
        run = TrainingRun.start(dataset, VIT, recipe, "tints")
    assert count_groups(run.dataset().examples) == 16
    assert not any(example.name.endswith(".png") for example in run.dataset().examples)


def test_the_bar_says_how_far_it_has_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    lock = take_lock(run.folder / "alive")
    Words(run.files.progress).hear(Preparing("128 of 288 views seen by the frozen blocks", 128 / 288), None)
    assert run.state().share == pytest.approx(128 / 288)
    Words(run.files.progress).hear("Training", 0.0)
    assert (run.state().phase, run.state().share) == ("training", 0)
    assert lock is not None
    lock.close()


def test_a_run_that_was_killed_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    assert run.state().phase == "interrupted"
    run.cancel()
    assert run.state().phase == "cancelled"
    assert not (run.folder / "pictures").exists()


def test_a_name_that_is_taken_gets_a_number() -> None:
    dataset, loaded = make_two_colours(), load_model(VIT)
    trained = train_prompts(loaded, dataset, RECIPE.model_copy(update={"epochs": 1}))
    names = [save_trained("My prompts", loaded, dataset, RECIPE, trained).name for _ in range(3)]
    assert names == ["my-prompts", "my-prompts-2", "my-prompts-3"]


def test_a_vit_from_a_file_is_kept_with_the_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_missing_operators()
    import timm

    weights = safetensors.torch.save(timm.create_model("test_vit", img_size=32, num_classes=2).state_dict())
    request = build_file_request(weights, "mine.safetensors", architecture="timm/test_vit", input_size=32)
    run = prepare_run(make_two_colours(), monkeypatch, request, weights)
    work(run.files)
    state = run.state()
    assert state.phase == "done", state.message
    assert not (run.folder / "backbone").exists()
    loaded = load_model(ModelRequest(source="prompts", name=state.name))
    assert loaded.labels == ("red", "green") and loaded.prompted is not None and loaded.prompted.variant == "last"


def test_only_tokens_are_ever_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    found = TrainingRun.find(run.token)
    assert found is not None and found.folder == run.folder
    (home / "order.json").write_bytes((run.folder / "order.json").read_bytes())
    for text in ("", "..", "../..", "a" * 43, run.token + "\n", run.token[:-1], "../" + run.token, run.token + "/."):
        assert TrainingRun.find(text) is None


def test_a_training_is_its_owners_whoever_else_has_its_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a token that nobody knows: the page says the same of both."""
    ann, bob = (make_actor("train", key=key * 64) for key in "ab")
    with asking(ann):
        run = prepare_run(make_two_colours(), monkeypatch)
        assert TrainingRun.find(run.token) is not None
    with asking(bob):
        assert TrainingRun.find(run.token) is None and not TrainingRun(run.token).folder.exists()


def test_old_runs_are_swept_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, working = (prepare_run(make_two_colours(), monkeypatch) for _ in range(3))
    long_ago = time.time() - (detached.DAYS_KEPT + 1) * 86_400
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
