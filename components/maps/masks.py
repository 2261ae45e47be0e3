"""Where each map is high: outlines on the maps, what they would be by a little, and files of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from components.choices.mask import MASKED, read_mask_settings, show_mask_settings
from components.maps.question import Question, gather
from components.maps.rows import Answered, find_known_mask
from components.words import escape, format_share
from explain.engine.explanation import PictureExplanation
from explain.maps.mask import MaskSettings
from explain.maps.volume_mask import MaskCut, VolumeMask
from explain.methods import get_method
from explain.report.mask_files import encode_masks
from explain.report.masks import MapMask, find_masks
from explain.volumes.planes import Plane

_HELP = (
    "Beside each mask stands what it might as well have been: “± 5 points” is how much of it stays the same (overlap, "
    "intersection over union) where the threshold is 5 points of the highest value lower or higher; “Other methods” is "
    "its overlap with the masks of the other maps. A mask says where the map is high, and not where a thing is."
)

_NO_EDGES = (
    "Masks of volumes do not follow edges: what does so in pictures (GrabCut) knows two axes only, and slice by slice "
    "the mask would not be one body."
)


def show_masks(question: Question, answered: Answered, device: str) -> None:
    """A section under the maps; while it is open, masks are outlined on them. It runs no pass of the network."""
    section = st.expander("Where is each map high?", key=MASKED, icon=":material/select:", on_change="rerun")
    if not section.open:
        return
    with section:
        left_out = set() if read_mask_settings().threshold == "fixed" else {"share"}
        if question.volume is not None:
            left_out.add("edges")
        show_mask_settings([name for name in MaskSettings.model_fields if name not in left_out])
        if question.volume is not None:
            st.caption(_NO_EDGES)
        settings = read_mask_settings()
        lenders = {id(loan.entry): loan.model for loan in answered.loans.values()}
        for entry in answered.entries:
            _show_table(entry, settings, lenders.get(id(entry), ""))
        st.caption(_HELP)
        explanation = gather(question, answered, device)
        if explanation is not None:
            st.download_button(
                "Download the masks",
                lambda: encode_masks(explanation, settings),
                "masks.zip",
                "application/zip",
                key="download-masks",
                on_click="ignore",
                icon=":material/select:",
                help="A PNG of the picture's size for each map, 255 where it is high; for a series whose place in the "
                "patient is known, NIfTI too, of all of a volume; and the manifest with all figures.",
            )


def _show_table(entry: PictureExplanation, settings: MaskSettings, lender: str) -> None:
    found = find_masks(entry, settings, find_known_mask)
    origin = f" · from {escape(lender)}" if lender else ""
    st.markdown(f"**{escape(entry.picture.name)}**{origin}")
    if not found:
        st.caption("None of these maps is above zero anywhere: there is no place where one is high.")
        return
    st.table([describe_mask(one) for one in found], border="horizontal")
    if not all(one.mask.followed for one in found):
        st.caption("Edges could not be followed where a map leaves nothing for them to decide.")


def describe_mask(found: MapMask) -> dict[str, str]:
    """A row of the table."""
    mask = found.mask
    row: dict[str, Any] = {"Map": get_method(found.heatmap.method).title, "Above": format_share(mask.share)}
    if isinstance(mask, MaskCut) and mask.whole is not None:
        return row | _describe_whole(mask.whole, mask.plane) | _describe_likeness(found)
    lower, higher = mask.areas_aside
    row["Of the picture"] = f"{format_share(mask.area)} ({format_share(higher)} to {format_share(lower)})"
    if found.millimetres is not None:
        row["mm²"] = f"{found.millimetres:,.0f}"
    rows, columns = mask.box.spans
    row["Box"] = f"{columns.start:.0f}, {rows.start:.0f} to {columns.stop:.0f}, {rows.stop:.0f}"
    return row | _describe_likeness(found)


def _describe_whole(mask: VolumeMask, plane: Plane) -> dict[str, str]:
    """What is told of the mask of all of a volume, whichever slice of a plane is in view; that plane's are numbered."""
    lower, higher = mask.parts_aside
    row = {"Of the volume": f"{format_share(mask.part)} ({format_share(higher)} to {format_share(lower)})"}
    if mask.millimetres is not None:
        row["mm³"] = f"{mask.millimetres:,.0f}"
    row["Pieces"] = f"{mask.pieces:,}"
    if mask.sides is not None:
        row["Extent in mm"] = " × ".join(f"{side:.0f}" for side in mask.sides)
    slices = mask.find_slices(plane)
    if slices is not None:
        row["Slices"] = f"{slices[0] + 1} to {slices[1] + 1}"
    return row


def _describe_likeness(found: MapMask) -> dict[str, str]:
    row = {"± 5 points": " and ".join(f"{alike:.2f}" for alike in found.mask.alike_aside)}
    if found.others:
        others = np.array([*found.others.values()])
        row["Other methods"] = " to ".join(dict.fromkeys(f"{one:.2f}" for one in (others.min(), others.max())))
    return row
