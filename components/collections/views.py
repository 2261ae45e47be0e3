"""What is chosen on the Collection page, by the keys of the session's state: links hold these."""

from __future__ import annotations

RUN = "collection-run"
VIEW = "collection-view"
METHOD = "collection-method"
RIGHT = "collection-right"
SORT = "collection-sort"
RISING = "collection-rising"
PAGE = "collection-page"
COLOUR = "collection-colour"
TARGET = "collection-target"
STRATEGY = "collection-strategy"

SENT = "collection-sent"
"""The token of the run that this session began last; on Compare it is followed."""

KNOWN = "collection-known"
"""Tokens of all that it began, or came to by a link."""

PREDICTED, LABEL, GROUP, VERDICT = (f"collection-{name}" for name in ("predicted", "label", "group", "verdict"))

VIEWS = {"pictures": "Pictures", "map-of-maps": "Map of maps", "strategies": "Strategies"}
"""The page's views, with what stands on their buttons."""

RIGHTS = {"all": "All", "right": "Right", "wrong": "Wrong", "failed": "Failed"}

COLOURED = {"predicted": "Predicted class", "label": "Label", "group": "Group", "correct": "Right or wrong"}

MOST_PAGES, MOST_GROUPS = 999_999, 99
