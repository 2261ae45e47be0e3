"""Which worker of pytest-xdist runs what, and when.

Left to itself it begins with the files of most tests, and ends with those of one test that takes half a minute: while
the last of them wait for servers and browsers there is nothing else to do. It also has each worker start a dashboard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdist.scheduler import LoadFileScheduling

TOGETHER: dict[str, tuple[str, ...]] = {
    "one server": (
        "tests/browser/test_dashboard.py",
        "tests/browser/test_collection.py",
        "tests/browser/test_layers.py",
        "tests/browser/test_own_file.py",
        "tests/browser/test_policy.py",
        "tests/browser/test_truth.py",
    ),
    "another": (
        "tests/browser/test_stack.py",
        "tests/browser/test_links.py",
        "tests/browser/test_proxy.py",
        "tests/browser/test_server.py",
        "tests/browser/test_studio.py",
        "tests/components/browser/test_live_slider.py",
        "tests/test_reliability.py",
    ),
}
"""Files of which one worker runs all, because they drive the same dashboard: a server takes ten seconds to be warm."""

FIRST = (
    "tests/browser",
    "tests/components/browser",
    "tests/pages",
    "tests/test_layering.py",
    "tests/explain/commands",
    "tests/explain/models",
    "tests/explain/report",
)
"""What takes long for the number of its tests."""

_GROUPS = {file: name for name, files in TOGETHER.items() for file in files}


def sort_key(path: str) -> tuple[int, int]:
    """By which tests are sorted for workers, those of a file together: what takes long comes first.

    Args:
        path: of the file, from the root of the project.
    """
    group = _GROUPS.get(path)
    if group is not None:
        return -1, list(TOGETHER).index(group)
    return next((place for place, start in enumerate(FIRST) if path.startswith(start)), len(FIRST)), 0


class Workers(LoadFileScheduling):
    """Files as they come, and those that belong together as if they were one."""

    def __init__(self, config: Any, log: Callable[..., None] | None = None):
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return _GROUPS.get(file, file)
