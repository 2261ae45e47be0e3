"""Who a session belongs to: what the provider said of them when they logged in, in whichever thread asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

from components.access.audit import find_audit
from components.access.log_ins import find_log_ins
from components.access.roles import find_role, list_rights
from components.server.login import read_login
from components.server.owners import name_person
from components.server.settings import Role, read_server_settings
from explain.rights import Actor, start_asking

_LONGEST = 60  # characters of a name

_logs_in = False


@dataclass(frozen=True)
class Person:
    """Somebody who has logged in.

    Attributes:
        actor: them, as the library knows them.
        name: as they read it themselves; written nowhere.
        role: what they are here; None for nothing.
        claims: what the provider said of them.
    """

    actor: Actor
    name: str
    role: Role | None
    claims: Mapping[str, Any]


def start_access() -> None:
    """Where people log in, let nobody do anything before it is known who they are. Once, when the server starts."""
    global _logs_in
    _logs_in = read_login(read_server_settings()) is not None
    if _logs_in:
        start_asking(find_actor, find_audit().write)


def do_people_log_in() -> bool:
    """Whether they have to here."""
    return _logs_in


def read_person(claims: Mapping[str, Any]) -> Person | None:
    """The person of whom these are the claims; None for nobody."""
    known = name_person(claims) if claims.get("is_logged_in") is True else None
    if known is None:
        return None
    key = hashlib.sha256("\n".join(known).encode()).hexdigest()
    role = find_role(claims, read_server_settings())
    name = next((str(claims[claim]) for claim in ("name", "preferred_username", "email") if claims.get(claim)), "You")
    return Person(Actor(key, list_rights(role) if role else frozenset()), name[:_LONGEST], role, claims)


def find_person() -> Person | None:
    """Whose session this thread draws or calls back for; None where there is none, or nobody has logged in."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else read_person(dict(context.user_info))


def find_actor() -> Actor | None:
    """Who acts in this thread; None for nobody, for who has no role, and after a log-in is over."""
    person = find_person()
    if person is None or person.role is None or find_log_ins().find_end(person.claims) is not None:
        return None
    return person.actor


def press() -> bool:
    """Somebody pressed something; whether they may, or their log-in is over, and the page has to be drawn anew."""
    person = find_person() if _logs_in else None
    return person is None or find_log_ins().press(person.claims) is None
