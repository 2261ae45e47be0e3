"""The process of one training: `python -m explain.training.worker TOKEN`.

It goes on when the page that began it is closed or the server ends.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from explain.datasets.dataset import DataSet
from explain.errors import Cancelled, ExplainError
from explain.models.attention_library import AttentionCard
from explain.models.load import load_model
from explain.models.prompt_library import PromptCard
from explain.networks.device import find_device, move, read_device_settings, runs_out_of_memory
from explain.storage import write_atomically
from explain.training.attention_loop import train_attention
from explain.training.attention_recipe import AttentionRecipe
from explain.training.attention_saving import save_trained_attention
from explain.training.loop import train_prompts
from explain.training.process_lock import take_lock
from explain.training.run import TrainingRun
from explain.training.run_folder import REPORT, AnyReport, RunFolder, Words
from explain.training.saving import save_trained

_SECONDS_BETWEEN_LOOKS = 0.1
_NICENESS = 10


def work(files: RunFolder) -> None:
    """The whole training, in this process; what `TrainingRun.start` has done in one of its own."""
    lock = take_lock(files.lock)
    if lock is None:  # another process works on it
        return
    words = Words(files.progress)
    words.say(phase="preparing", message="Loading the network", share=0.0)
    try:
        card, report = _train(files, words)
        write_atomically(files.report, REPORT.dump_json(report))
    except Cancelled:
        files.clear_away()
        words.say(phase="cancelled", message="")
    except ExplainError as error:
        _fail(files, words, str(error))
    except Exception as error:  # a person looks at a page, not at this process
        traceback.print_exc()
        _fail(files, words, _excuse(error))
    else:
        files.checkpoint.unlink(missing_ok=True)
        files.weights.unlink(missing_ok=True)
        if not files.read_order().keep:
            files.clear_away()
        words.say(phase="done", name=card.name, digest=card.digest, message="", share=1.0)
    finally:
        lock.close()


def _fail(files: RunFolder, words: Words, message: str) -> None:
    """Say why it ends; what was not to be kept goes, and with it the way to resume."""
    if not files.read_order().keep:
        files.clear_away()
    words.say(phase="failed", message=message)


def _train(files: RunFolder, words: Words) -> tuple[PromptCard | AttentionCard, AnyReport]:
    order = files.read_order()
    weights = files.weights.read_bytes() if files.weights.exists() else None
    loaded = load_model(order.backbone, weights)
    move(loaded.module, find_device(read_device_settings().device))
    dataset = DataSet.load(files.pictures)
    recipe, should_stop = order.recipe, _watch(files)
    if isinstance(recipe, AttentionRecipe):
        attention = train_attention(
            loaded, dataset, recipe, checkpoint=files.checkpoint, tell=words.hear, should_stop=should_stop
        )
        return save_trained_attention(order.name, loaded, recipe, attention), attention.outcome
    trained = train_prompts(
        loaded, dataset, recipe, checkpoint=files.checkpoint, tell=words.hear, should_stop=should_stop
    )
    card = save_trained(order.name, loaded, dataset, recipe, trained, weights)
    # Of pictures that are not kept no digests either.
    return card, trained.report if order.keep else replace(trained.report, wrong=())


def _watch(files: RunFolder) -> Callable[[], bool]:
    """Says whether the run is cancelled; does not answer while it is paused."""
    looked = 0.0

    def should_stop() -> bool:
        nonlocal looked
        if time.monotonic() < looked + _SECONDS_BETWEEN_LOOKS:
            return False
        while files.pause.exists() and not files.cancel.exists():
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        looked = time.monotonic()
        return files.cancel.exists()

    return should_stop


def _excuse(error: Exception) -> str:
    """A sentence for what nobody foresaw; the traceback is in the run's log."""
    if isinstance(error, MemoryError) or runs_out_of_memory(error):
        return "The memory was not enough for this training. Choose a smaller batch, or a smaller network."
    return f"The training ended by a fault of CAMscope ({type(error).__name__}). The log in its folder has the details."


def main() -> None:
    """Work on the run whose token is given; nothing is done where another process does already."""
    run = TrainingRun.find(sys.argv[1]) if len(sys.argv) == 2 else None
    if run is None:
        raise SystemExit("There is no such run.")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    work(run.files)


if __name__ == "__main__":
    main()
