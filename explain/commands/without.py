"""What happens without the place where a map is high, for the sentence under a picture."""

from __future__ import annotations

import sys
from dataclasses import replace

from explain.commands.progress_lines import say_progress
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation, PictureExplanation
from explain.errors import PictureError
from explain.maps.mask import MaskSettings
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.report.masks import find_shown_mask
from explain.report.sentence import find_lead


def measure_without(engine: Engine, explanation: Explanation) -> Explanation:
    """The answer with what happens to each picture without the place where its leading map is high.

    Args:
        engine: has the model at hand.
        explanation: what it answered.
    """
    measured = tuple(_measure(engine, explanation.model, entry) for entry in explanation.pictures)
    return replace(explanation, pictures=measured)


def _measure(engine: Engine, model: LoadedModel, entry: PictureExplanation) -> PictureExplanation:
    lead = find_lead(entry)
    if lead is None or "prompts" in get_method(lead.method).needs:
        return entry  # what class prompts answer is not what the network's own head is asked here
    try:
        mask = find_shown_mask(entry.picture, lead, entry.masks or MaskSettings())
        region = {f"where {get_method(lead.method).title} is high": mask.enlarge()}
        effects = engine.measure_effects(entry.picture, model, region, lead.target, progress=say_progress)
    except PictureError as error:
        print(f"“{entry.picture.name}”: not measured without its place: {error}", file=sys.stderr)
        return entry
    return replace(entry, effects={lead.key: effects})
