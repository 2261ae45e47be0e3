"""The kinds of phantoms: all combinations, each once."""

import pytest

from explain.bundled.phantoms.kinds import KINDS, find_kind
from explain.errors import PictureError


def test_every_combination_is_a_kind_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len({(k.place, k.size, k.texture) for k in KINDS}) == 8


def test_kinds_go_by_name() -> None:
    assert all(find_kind(kind.name) is kind for kind in KINDS)
    with pytest.raises(PictureError, match="There is no phantom “liver”"):
        find_kind("liver")
