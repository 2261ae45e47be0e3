"""How trained attention did on pictures it did not learn from, beside other maps, and the words for it.

Importing this does not import torch.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from explain.percent import write_percent

HONEST = (
    "A second network learned which places suffice for the first one's answer. It shows what that second network "
    "expects, from the class and the features; it was never asked what the first one used."
)
RIVAL = "Grad-CAM"
"""Whose maps cost one backward pass and no training: what trained maps must beat to be worth it."""

_CLASS_BLIND, _ALL_OPEN, _COLLAPSED = 0.9, 0.6, 0.02


class MapFigures(BaseModel):
    """What one method's maps are worth, on average over pictures.

    Attributes:
        title: of the method, as people read it.
        average_drop: how much of the probability is lost where the picture is shown as bright as the map, per cent.
        increase: of how many pictures of a hundred it rises then.
        insertion: area under the probability as the most marked places come out of a blur, 0…1.
        deletion: the same as they are hidden.
        likeness: correlation of the maps of the likeliest and the least likely class, -1…1; None where that was not
            measured, which would take many passes more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: str
    average_drop: float
    increase: float
    insertion: float
    deletion: float
    likeness: float | None


class AttentionReport(BaseModel):
    """What trained attention is worth.

    Attributes:
        own: its maps.
        others: those of other methods, on the same pictures.
        pictures: how many.
        area: how much of a picture the mask of its class shows on average, 0…1.
        same: of how many pictures of a hundred the class stays when they are masked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    own: MapFigures
    others: tuple[MapFigures, ...]
    pictures: int = Field(ge=1)
    area: float = Field(ge=0, le=1)
    same: float = Field(ge=0, le=100)

    def describe(self) -> str:
        """Whether it is better than what costs no training, in a sentence or two."""
        said = (
            f"On {self.pictures:,} pictures it did not learn from, masked by its maps, {self.same:.0f} % keep their "
            f"class, while {write_percent(self.area)} of the picture is shown."
        )
        rival = next((row for row in self.others if row.title == RIVAL), None)
        if rival is None:
            return said
        own, theirs = self.own.deletion, rival.deletion
        if own < theirs:
            verdict = (
                f"Hiding what it marks lowers the class further than with {RIVAL} (deletion {own:.3f}, {theirs:.3f})."
            )
        else:
            verdict = (
                f"It is not better than {RIVAL} at finding what the class rests on (deletion {own:.3f}, {theirs:.3f}; "
                "lower is better), which needs no training."
            )
        return f"{said} {verdict}"

    def list_warnings(self) -> list[str]:
        """What is wrong with its maps, in sentences; none where nothing is."""
        warnings = []
        if self.own.likeness is not None and self.own.likeness > _CLASS_BLIND:
            warnings.append(
                "Class-blind: its maps of the likeliest and the least likely class are all but the same "
                f"(correlation {self.own.likeness:.2f}), so they do not say why one class is named and not another."
            )
        if self.area > _ALL_OPEN:
            warnings.append(
                f"All open: its masks show {write_percent(self.area)} of the picture, so they hardly choose. Train it "
                "with a larger weight of “Small area”."
            )
        if self.area < _COLLAPSED:
            warnings.append(
                f"Collapsed: its masks show {write_percent(self.area, 1)} of the picture, all but nothing. Train it "
                "with a smaller weight of “Small area”, or for longer."
            )
        return warnings
