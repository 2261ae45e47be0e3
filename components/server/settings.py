"""What whoever runs a server may set, each once, in the environment: `CAMSCOPE_` and a field's name in capitals."""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

from pydantic import Json, SecretStr

from explain.settings import Settings, read_environment, setting

Role = Literal["viewer", "clinician", "trainer", "admin"]
"""What a person is here, from the one who may do least to the one who may do all."""


class ServerSettings(Settings):
    """A server's settings. What Streamlit has an option for is set there: the address, `server.allowedHosts`, and
    `server.maxUploadSize`, which bounds a single upload.

    What is bounded by session, minute or address is so on a shared server only; see `is_shared` in
    `components/server/login.py`.
    """

    shared: Literal["auto", "yes", "no"] = setting(
        "auto",
        "Shared",
        "Whether the server is for more than the person in front of it: limits hold then, and events are logged. By "
        "itself it is where people log in, or where other machines are listened to.",
    )
    login_hours: float = setting(
        8.0,
        "Login",
        "How long a log-in holds, however busy; then the person logs in again.",
        unit="h",
        low=0.01,
        high=720,
    )
    idle_minutes: float = setting(
        20.0,
        "Idle",
        "After how many minutes without a press a log-in ends, in all windows of it.",
        unit="min",
        low=0.05,
        high=1_440,
    )
    roles_claim: str = setting(
        "groups",
        "Claim of the roles",
        "The claim of the provider that says what a person may do: a word or a list of words. `a.b` is b inside of a.",
    )
    roles: Json[dict[str, Role]] = setting(
        {f"camscope-{role}": role for role in get_args(Role)},
        "Roles",
        "By a word of that claim the role, as JSON: `viewer`, `clinician`, `trainer` or `admin`. Who has none of these "
        "words has no role, and sees nothing.",
    )
    audit_months: int = setting(
        72,
        "Audit log",
        "How many months of the audit log are kept, beside the running one.",
        unit="months",
        low=1,
        high=1_200,
    )
    upload_mb_a_session: int = setting(
        500, "Uploads of a session", "What a session may hold of uploads that were not looked at yet.", unit="MB", low=1
    )
    upload_mb_a_minute: int = setting(
        2_000, "Uploads in a minute", "What a session may upload within a minute.", unit="MB", low=1
    )
    uploads_a_minute: int = setting(
        6_000,
        "Files in a minute",
        "How many files a session may upload within a minute: a series has thousands.",
        low=1,
    )
    logins_a_minute: int = setting(
        60, "Log-ins in a minute", "How often an address may begin or end a log-in within a minute.", low=1
    )
    connections: int = setting(
        200,
        "Connections",
        "How many requests and open pages an address may have at once. A clinic may be behind one address.",
        low=1,
    )
    sessions_a_person: int = setting(
        10, "Windows", "How many windows of the dashboard a person who logs in may have open at once.", low=1
    )
    least_free_memory: float = setting(
        0.1, "Free memory", "The share of the memory below which a server asks for no more people.", low=0, high=1
    )
    engine: str | None = setting(
        None,
        "Engine",
        "Address of an engine elsewhere that answers in place of one of this server's own, `http://HOST:PORT`: see "
        "`explain/remote/README.md`.",
    )
    engine_word: SecretStr | None = setting(None, "Word of the engine", "What that engine must be told.")
    metrics_token: SecretStr | None = setting(
        None,
        "Token of the metrics",
        "Who sends it as `Authorization: Bearer …` may read the metrics. Without one, only this machine may.",
    )


@cache
def read_server_settings() -> ServerSettings:
    """What the environment says, or the defaults; read once.

    Raises:
        ExplainError: a variable has a value that it cannot have.
    """
    return read_environment(ServerSettings)
