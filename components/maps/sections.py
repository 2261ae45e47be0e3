"""What opens below the maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.maps.curves import show_curves
from components.maps.masks import show_masks
from components.maps.question import Question
from components.maps.rows import Answered
from components.maps.words_box import show_words
from explain.settings import Settings

if TYPE_CHECKING:
    from explain.engine.engine import Engine


def show_sections(
    engine: Engine, question: Question, settings: Mapping[str, Settings], key: str, answered: Answered
) -> None:
    """The sections, closed until a person opens them.

    Args:
        engine: measures.
        question: what is asked of it.
        settings: by method.
        key: of the question with its settings.
        answered: what came of it.
    """
    if question.comparison.by == "methods":
        show_masks(question, answered, engine.description)
    show_curves(engine, question, settings, key)
    show_words(question.pictures)
