"""The Methods page, driven without a browser."""

from __future__ import annotations

import re
from typing import Any

from explain.methods import all_methods


def test_every_paper_on_arxiv_is_a_link(dashboard: Any) -> None:
    dashboard.turn_to("methods")
    assert not dashboard.test.exception
    for method in all_methods().values():
        for identifier in re.findall(r"arXiv ([^\s,;]+)", method.paper):
            assert f"[arXiv {identifier}](https://arxiv.org/abs/{identifier})" in dashboard.sentences, method.name
