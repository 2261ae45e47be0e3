"""The process that trains: what goes wrong in it is a sentence, and two never work on one run."""

import pytest

from explain.datasets.dataset import DataSet
from explain.errors import StorageError
from explain.methods.rise import RiseSettings
from explain.models.attention_library import list_attention
from explain.models.request import ModelRequest
from explain.training import saving
from explain.training.outcome import AttentionOutcome
from explain.training.process_lock import take_lock
from explain.training.run import TrainingRun
from explain.training.worker import work
from tests.support.attention import RECIPE as ATTENTION
from tests.support.attention import build_classifier, make_pictures
from tests.support.training import RECIPE, VIT, make_two_colours, prepare_run


def test_what_goes_wrong_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    for path in (run.folder / "pictures" / "pictures").iterdir():
        path.write_bytes(b"damaged")
    work(run.files)
    state = run.state()
    assert state.phase == "failed" and "has changed" in state.message

    run = prepare_run(make_two_colours(), monkeypatch, ModelRequest(source="bundled", name="photo-cnn"))
    work(run.files)
    assert run.state().message.startswith("“photo-cnn” cannot be trained. Prompt-CAM needs a plain ViT")

    run = prepare_run(make_two_colours(), monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("explain.training.worker.train_prompts", lambda *args, **kwargs: 1 / 0)
        work(run.files)
    assert "fault of CAMscope (ZeroDivisionError)" in run.state().message


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_once_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)

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
            TrainingRun.start(make_two_colours(), VIT, RECIPE, "x")
    assert [path.name for path in run.folder.parent.iterdir()] == [run.token]


def test_two_processes_never_work_on_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    lock = take_lock(run.folder / "alive")
    assert lock is not None
    work(run.files)
    assert not (run.folder / "progress.jsonl").exists()
    lock.close()


def test_attention_is_trained_by_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
    monkeypatch.setattr("explain.training.worker.load_model", lambda *_: build_classifier())
    recipe = ATTENTION.model_copy(update={"judged": 1})
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        run = TrainingRun.start(make_pictures(16, 1), VIT, recipe, "My maps", keep=False)
    assert run.files.read_order().recipe == recipe
    work(run.files)
    state = run.state()
    assert (state.phase, state.name, state.trains, len(state.epochs)) == ("done", "my-maps", "attention", 3)
    assert isinstance(state.report, AttentionOutcome)
    (card,) = [card for card in list_attention() if card.name == "my-maps"]
    assert (card.digest, card.report) == (state.digest, state.report.worth)
    assert not (run.folder / "pictures").exists()
