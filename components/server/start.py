"""What `app.py` hangs round the pages, and what happens when the server starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.middleware import Middleware
from streamlit import config

from components.server.allocator import bound_arenas
from components.server.ended import find_ended
from components.server.events import log_event, start_log
from components.server.guard import Guard
from components.server.login import is_shared, read_login
from components.server.metrics import find_metrics
from components.server.owners import keep_book_of_downloads
from components.server.settings import read_server_settings
from components.server.uploads import keep_uploads_in_memory
from components.server.watch import watch_engine
from explain.engine.figures import Figures
from explain.errors import ExplainError


def list_middleware() -> list[Middleware]:
    """The guard. A server whose settings or secrets are wrong does not start, and says why."""
    try:
        settings = read_server_settings()
        login = read_login(settings)
    except ExplainError as error:
        raise SystemExit(f"CAMscope does not start. {error}") from None
    hosts = list(config.get_option("server.allowedHosts"))
    if login is not None and hosts and login.host not in hosts:  # none at all are all
        config.set_option("server.allowedHosts", [*hosts, login.host])
    return [Middleware(Guard, settings, login, ended=None if login is None else find_ended())]


def leave_no_dump() -> None:
    """Have the system write no image of this process's memory to a disk where it breaks down: pictures are in it."""
    with suppress(ImportError):  # on Windows, which has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


@asynccontextmanager
async def serve(look: Callable[[], Figures | None]) -> AsyncIterator[None]:
    """While entered, the server runs.

    Args:
        look: at the engine; see `watch_engine`.
    """
    leave_no_dump()
    settings = read_server_settings()
    login = read_login(settings)
    if is_shared(settings, login):
        start_log()
    if login is not None:
        keep_book_of_downloads()
    keep_uploads_in_memory()
    bound_arenas()
    watch_engine(look)
    asyncio.get_running_loop().run_in_executor(None, find_metrics)  # so that no request waits for it
    log_event("server started")
    yield
    log_event("server stopped")
