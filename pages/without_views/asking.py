"""Without it: what its views ask the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.page.subject import Subject
from components.session.work import Work
from explain.pictures.picture import Picture
from explain.pictures.region import Region
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.faithfulness.channels import Channels, Paths
    from explain.faithfulness.effects import Effects
    from explain.faithfulness.patching import Patches


@dataclass(frozen=True, eq=False)
class Asked:
    """The question on channels.

    Attributes:
        picture: what is looked at.
        twin: the other picture, where there is one.
        beside: pictures whose mean is taken.
        earlier: name of the layer from which paths are followed.
    """

    picture: Picture
    twin: Picture | None
    beside: Sequence[Picture]
    earlier: str | None


@dataclass(frozen=True, eq=False)
class Found:
    """The answer on channels; paths and patches where they were asked for."""

    channels: Channels
    paths: Paths | None
    patches: Patches | None


def measure_channels(subject: Subject, asked: Asked, work: Work[Found]) -> Found:
    """Ask the engine for all of it: channels first, then paths, then heads and MLPs where the model has some.

    Args:
        subject: model, layer and class.
        asked: the question.
        work: told how far it is; may stop it.
    """
    target = "auto" if subject.target is None else subject.target
    patching = asked.twin is not None and subject.model.has_parts
    steps = Watch(lambda share, text: work.report(text, share), work.cancel)
    share = 1 / (1 + bool(asked.earlier) + bool(patching))
    channels = subject.engine.measure_channels(
        asked.picture,
        subject.model,
        subject.layer,
        target,
        asked.beside,
        asked.twin,
        progress=steps.part(0, share).report,
        cancel=work.cancel,
    )
    paths = patches = None
    if asked.earlier is not None:
        layers = (asked.earlier, subject.layer)
        paths = subject.engine.measure_paths(
            asked.picture,
            subject.model,
            layers,
            target,
            asked.beside,
            progress=steps.part(share, 2 * share).report,
            cancel=work.cancel,
        )
    if asked.twin is not None and patching:
        patches = subject.engine.measure_patches(
            asked.picture,
            subject.model,
            asked.twin,
            target,
            progress=steps.part(1 - share, 1).report,
            cancel=work.cancel,
        )
    return Found(channels, paths, patches)


def measure_regions(subject: Subject, picture: Picture, regions: Mapping[str, Region], work: Work[Effects]) -> Effects:
    """Ask the engine what happens without each of some regions.

    Args:
        subject: model and class.
        picture: what is looked at.
        regions: by their names.
        work: told how far it is; may stop it.
    """
    return subject.engine.measure_effects(
        picture,
        subject.model,
        regions,
        "auto" if subject.target is None else subject.target,
        progress=lambda share, text: work.report(text, share),
        cancel=work.cancel,
    )
