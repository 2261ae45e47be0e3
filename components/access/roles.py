"""What a person is here, by what the provider says of them, and what that lets them do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from components.server.settings import Role, ServerSettings
from explain.rights import Right

_MORE: dict[Role, tuple[Right, ...]] = {
    "viewer": (),
    "clinician": ("scans", "prompts"),
    "trainer": ("train", "models", "collections"),
    "admin": ("audit",),
}
"""What each role may do beside all that those before it may."""


def list_rights(role: Role) -> frozenset[Right]:
    """All that a role may do beside looking at examples and at pictures of one's own."""
    roles: tuple[Role, ...] = get_args(Role)
    return frozenset(right for one in roles[: roles.index(role) + 1] for right in _MORE[one])


def find_role(claims: Mapping[str, Any], settings: ServerSettings) -> Role | None:
    """The role of a person, of several the one that may do most; None where nobody gave them one.

    Args:
        claims: what the provider says of them.
        settings: which of it is meant, and how.
    """
    said: Any = claims
    for part in [settings.roles_claim] if settings.roles_claim in claims else settings.roles_claim.split("."):
        said = said.get(part) if isinstance(said, Mapping) else None
    words = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    found = {settings.roles[word] for word in words if isinstance(word, str) and word in settings.roles}
    return max(found, key=get_args(Role).index, default=None)
