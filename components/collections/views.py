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
REGION, INSIDE = "collection-region", "collection-inside"
AGAINST, STATISTIC, LIMIT, MEASURED = (f"comparison-{name}" for name in ("against", "statistic", "limit", "measures"))

SENT = "collection-sent"
"""The token of the run that this session began last; on Compare it is followed."""

KNOWN = "collection-known"
"""Tokens of all that it began, or came to by a link."""

PREDICTED, LABEL, GROUP, VERDICT = (f"collection-{name}" for name in ("predicted", "label", "group", "verdict"))

VIEWS = {
    "pictures": "Pictures",
    "map-of-maps": "Map of maps",
    "strategies": "Strategies",
    "comparison": "Methods compared",
}
"""The page's views, with what stands on their buttons."""

RIGHTS = {"all": "All", "right": "Right", "wrong": "Wrong", "failed": "Failed"}

COLOURED = {"predicted": "Predicted class", "label": "Label", "group": "Group", "correct": "Right or wrong"}

MOST_PAGES, MOST_GROUPS = 999_999, 99

STATISTICS = {"mean": "Mean", "median": "Median"}

FIRST_LIMIT = "200"

LIMITS = {"50": "50", "200": "200", "500": "500", "1000": "1,000", "2000": "2,000"}
"""How many pictures methods are compared on."""

WHOLE = (0, 100)
"""Per cent of a map inside a region: any."""
