"""The addresses that are no pages: whether the server lives, whether it wants more people, what it has counted."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from streamlit import config
from streamlit.url_util import make_url_path
from streamlit.user_info import generate_login_redirect_url

from components.server.log_in_page import WAY_BACK, check_way_back
from components.server.login import read_login
from components.server.metrics import find_metrics
from components.server.settings import read_server_settings
from components.server.watch import read_figures
from explain.free_memory import measure_free_memory

LIVE, READY, METRICS, LOG_IN = "/live", "/ready", "/metrics", "/log-in"

_MOST_AT_PROVIDER = 600  # seconds


def list_routes() -> list[Route]:
    """All of them. Who may read the metrics, the guard knows."""
    base = config.get_option("server.baseUrlPath") or ""
    answers = {LIVE: _say_live, READY: _say_ready, METRICS: _write_metrics, LOG_IN: _log_in}
    return [Route(make_url_path(base, path), answer) for path, answer in answers.items()]


def find_hindrances() -> list[str]:
    """Why no more people should be sent here; empty where they may."""
    figures = read_figures()
    found = []
    if figures is None:
        found.append("engine")
    elif figures.most_waiting and sum(figures.waiting.values()) >= figures.most_waiting:
        found.append("queue")
    if measure_free_memory() < read_server_settings().least_free_memory:
        found.append("memory")
    return found


async def _say_live(_: Request) -> Response:
    """The loop answers, and that is all it says."""
    return PlainTextResponse("live\n", headers={"Cache-Control": "no-store"})


async def _say_ready(_: Request) -> Response:
    found = await run_in_threadpool(find_hindrances)  # which may ask an engine elsewhere
    return JSONResponse(
        {"ready": not found, "hindered_by": found}, 503 if found else 200, headers={"Cache-Control": "no-store"}
    )


async def _write_metrics(_: Request) -> Response:
    text = await run_in_threadpool(lambda: find_metrics().write())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _log_in(request: Request) -> Response:
    """On to the provider, by way of Streamlit, whose word for a provider holds for two minutes only."""
    login = read_login(read_server_settings())
    provider = request.query_params.get("with", "")
    if login is None or provider not in login.providers:
        return PlainTextResponse("Nobody logs in here by that way. Open the first page.\n", 404)
    answer = RedirectResponse(generate_login_redirect_url(provider), 302)
    wanted = check_way_back(request.query_params.get("to", ""))
    if len(wanted) > 1:
        answer.set_cookie(WAY_BACK, quote(wanted, safe=""), _MOST_AT_PROVIDER, httponly=True, samesite="lax")
    return answer
