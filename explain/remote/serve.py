"""An engine served by Ray Serve: `python -m explain.remote.serve --port 8700`.

One replica has one engine, on a GPU where there is one, and what was put to it: several engines are several addresses.
Which question goes first, its admission says; what is more than `AT_ONCE` and `WAITING`, Serve answers with 503.
"""

from __future__ import annotations

import argparse
import importlib
import os
import secrets
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from explain.errors import ExplainError
from explain.ray_cluster import connecting, count_gpus, hand_on, import_ray

if TYPE_CHECKING:
    from explain.remote.service import Service

AT_ONCE, WAITING = 512, 64
"""Requests that are answered, and that wait. Who goes first, the engine says, so that all questions must reach it."""

_LOOK_AGAIN = 20.0  # seconds


def build() -> Any:
    """What a replica serves; called there."""
    from explain.bundled.pictures import bundled_pictures
    from explain.engine.engine import Engine
    from explain.remote.service import Service
    from explain.remote.web import WORD, build_app

    service = Service(Engine())
    try:
        service.engine.explain(bundled_pictures()[0].path)  # the first look is slower than any later one
    except ExplainError as error:
        print(error, file=sys.stderr, flush=True)
    threading.Thread(target=_let_go_for_ever, args=(service,), daemon=True).start()
    return build_app(service, os.environ[WORD])


def _let_go_for_ever(service: Service) -> None:
    while True:
        time.sleep(_LOOK_AGAIN)
        service.let_go()


def serve(host: str, port: int, address: str | None, over: threading.Event) -> None:
    """Serve an engine until it is over.

    Args:
        host, port: where it listens.
        address: of the Ray cluster; None starts one on this computer.
        over: ends it once set.

    Raises:
        ExplainError: there is no Ray, no word, or no such cluster.
    """
    from explain.remote.web import WORD

    word = os.environ.get(WORD, "")
    if len(word) < 16:
        raise ExplainError(f"Set {WORD} to a word of 16 characters at least that clients are told, e.g. {_propose()}.")
    ray = import_ray("An engine for other processes", address)
    with connecting(ray, address):
        ray_serve = importlib.import_module("ray.serve")
        gpus = min(1, count_gpus(ray.cluster_resources()))
        ray_serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
        options = {"num_cpus": 1, "num_gpus": gpus, "runtime_env": hand_on(**{WORD: word})}
        from explain.remote import serve as here  # not as `__main__`, which no other process could import

        made = ray_serve.deployment(
            name="engine", ray_actor_options=options, max_ongoing_requests=AT_ONCE, max_queued_requests=WAITING
        )(ray_serve.ingress(here.build)())
        try:
            ray_serve.run(made.bind(), name="camscope", route_prefix="/")
            print(f"An engine listens at http://{host}:{port}.", flush=True)
            over.wait()
        finally:
            ray_serve.shutdown()


def _propose() -> str:
    return secrets.token_hex(16)


def main() -> None:
    """Serve until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address it listens on; others than this need a private net"
    )
    parser.add_argument("--port", type=int, default=8700, help="its port")
    parser.add_argument("--address", help="of the Ray cluster, or auto; left out, one is started here")
    asked = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    try:
        serve(asked.host, asked.port, asked.address, over)
    except ExplainError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
