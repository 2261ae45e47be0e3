"""What Truth asks the engine: several networks about one picture, and then what their maps are worth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.choices.methods import find_obstacles
from components.session.work import Work
from components.truth.rows import Answer, Network
from components.truth.specimen import Specimen
from explain.methods import Settings
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.engine.judging import Verdicts


@dataclass(frozen=True, eq=False)
class Trial:
    """One picture before several networks.

    Attributes:
        engine: who is asked.
        networks: with the same classes.
        specimen: the picture.
        methods: whose maps are wanted; each network draws those that work on it.
        settings: of the methods.
        target: index of the class to explain; None for each network's likeliest.
    """

    engine: Engine
    networks: Sequence[Network]
    specimen: Specimen
    methods: Sequence[str]
    settings: Mapping[str, Settings]
    target: int | None = None

    @property
    def key(self) -> str:
        """A digest of everything the answers depend on."""
        pictures = [self.specimen.picture, self.specimen.other]
        parts: list[object] = [None if one is None else one.digest for one in pictures]
        parts += [self.target, *(n.model.fingerprint for n in self.networks)]
        parts += [f"{name} {self.settings[name]!r}" for name in self.methods]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    def list_usable(self, network: Network) -> list[str]:
        """The methods that work on a network."""
        obstacles = find_obstacles(network.model)
        return [name for name in self.methods if name not in obstacles]

    def ask(self, work: Work[Any]) -> list[Answer]:
        """Each network's answer and maps.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        return self._ask(self.specimen.picture, work)

    def ask_both(self, work: Work[Any]) -> tuple[list[Answer], list[Answer]]:
        """The same, and the same of the picture with the switch put the other way, where there is one.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        other = self.specimen.other
        return self.ask(work), [] if other is None else self._ask(other, work)

    def _ask(self, picture: Picture, work: Work[Any]) -> list[Answer]:
        answers = []
        for number, network in enumerate(self.networks):

            def report(share: float, text: str, number: int = number) -> None:
                work.report(text, (number + share) / len(self.networks))

            explanation = self.engine.explain(
                picture,
                network.model,
                self.methods,
                "auto",
                "auto" if self.target is None else self.target,
                self.settings,
                progress=report,
                cancel=work.cancel,
            )
            answers.append((network, explanation.pictures[0]))
        return answers

    def judge(self, answers: Sequence[Answer], work: Work[None]) -> Iterator[tuple[str, Verdicts]]:
        """Have the maps judged.

        Yields:
            A network's key and the verdicts on its maps, again and again as more is known.
        """
        for network, entry in answers:
            usable = self.list_usable(network)
            asked = (network.model, usable, "auto", entry.targets[0], self.settings)
            for found in self.engine.judge(self.specimen.picture, *asked, cancel=work.cancel) if usable else ():
                yield network.key, found
