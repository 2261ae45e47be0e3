"""A role follows from a claim, and from nothing else."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, get_args

import pytest

from components.access.roles import find_role, list_rights
from components.server.settings import Role, ServerSettings
from explain.rights import Right


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, None),
        ({"groups": []}, None),
        ({"groups": ["admin", "viewer"]}, None),  # such groups are everywhere
        ({"groups": "camscope-viewer"}, "viewer"),
        ({"groups": ["staff", "camscope-trainer", "camscope-clinician"]}, "trainer"),
        ({"groups": {"camscope-admin": True}}, None),
        ({"groups": [["camscope-admin"]]}, None),
        ({"roles": ["camscope-admin"]}, None),
    ],
)
def test_by_itself_roles_are_groups_with_names_of_camscopes_own(claims: dict[str, Any], role: Role | None) -> None:
    assert find_role(claims, ServerSettings()) == role


@pytest.mark.parametrize(
    "claims",
    [{"realm_access": {"roles": ["radiology", "x"]}}, {"realm_access.roles": "radiology"}],
)
def test_claim_and_words_are_the_servers(claims: dict[str, Any]) -> None:
    settings = ServerSettings(roles_claim="realm_access.roles", roles=json.dumps({"radiology": "clinician"}))
    assert find_role(claims, settings) == "clinician"
    assert find_role({"groups": ["camscope-admin"]}, settings) is None


def test_a_word_may_be_no_role_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="roles"):
        ServerSettings(roles=json.dumps({"radiology": "king"}))


def test_each_role_may_do_what_those_before_it_may_and_the_last_one_all() -> None:
    rights = [list_rights(role) for role in get_args(Role)]
    assert rights[0] == frozenset()
    assert rights[1] == {"scans", "prompts"}
    assert all(less < more for less, more in pairwise(rights))
    assert rights[-1] == {*get_args(Right)}
