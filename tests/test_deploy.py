"""The image and what is started of it name what there is: files, ports, accounts, settings. Neither is built here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest
import yaml

from components.server.routes import LIVE, READY
from components.server.settings import ServerSettings
from explain.settings import PREFIX
from explain.storage import VARIABLE
from tests.support.dashboard import find_port

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / ".deploy"
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
PROXY = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
PAGE = (DEPLOY / "README.md").read_text(encoding="utf-8")
IGNORED = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]


def read_steps(kind: str) -> list[str]:
    """What follows a word at the beginning of the Dockerfile's lines."""
    return re.findall(rf"^{kind} (.*)$", DOCKERFILE, re.MULTILINE)


def read_image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in " ".join(read_steps("ENV")).split())


def find_only(pattern: str, text: str) -> str:
    (found,) = set(re.findall(pattern, text))
    return str(found)


def test_what_is_copied_is_there_and_reaches_the_image() -> None:
    copied = " ".join(read_steps("COPY")).split()
    assert {"requirements.txt", "constraints.txt", "requirements-server.txt", "."} < set(copied)
    assert [name for name in copied if not (ROOT / name).exists() or name in IGNORED] == []
    needed = {"app.py", "assets", "components", "explain", "pages", ".streamlit", "LICENSE", "NOTICE"}
    assert not needed & set(IGNORED) and all((ROOT / name).exists() for name in needed)


def test_no_secret_is_built_into_the_image() -> None:
    kept_from_git = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    secrets = [line.lstrip("/") for line in kept_from_git if line.endswith("secrets.toml")]
    assert ".streamlit/secrets.toml" in secrets
    assert [name for name in secrets if name not in IGNORED and name.split("/")[0] not in IGNORED] == []


def test_opencv_comes_without_windows() -> None:
    """In the image alone: what the Dockerfile puts another name for is in both lists, and nothing else of a desktop."""
    name = find_only(r"sed -i 's/\^([\w-]+)==/", DOCKERFILE)
    for file in ("requirements.txt", "constraints.txt"):
        assert re.search(rf"^{name}==", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), file
    assert "apt-get" not in DOCKERFILE


def test_the_image_s_python_is_the_one_whose_packages_it_looks_through() -> None:
    version = find_only(r"(?m)^FROM python:([\d.]+)-slim", DOCKERFILE)
    assert f"/usr/local/lib/python{version}/site-packages " in DOCKERFILE
    assert COMPOSE["services"]["provider"]["image"] == f"python:{version}-slim"


def test_ports_and_addresses_agree() -> None:
    port = find_only(r"EXPOSE (\d+)", DOCKERFILE)
    (command,) = read_steps("CMD")
    assert json.loads(command)[-2:] == ["--server.port", port]
    assert f"http://localhost:{port}{LIVE}'" in DOCKERFILE
    assert f"-p 127.0.0.1:{port}:{port}" in PAGE and f"uri {READY} " in PROXY

    services = COMPOSE["services"]
    own = services["proxy"]["environment"]
    assert set(re.findall(r'"\$\{(CAMSCOPE_\w+)(?:\[\*\])?\}"', PROXY)) == set(own)
    for name in ("one", "two"):
        assert own[f"CAMSCOPE_{name.upper()}"] == f"{name}:{port}" and name in services
    assert services["proxy"]["depends_on"] == ["one", "two"]
    inside = own["CAMSCOPE_BIND"].lstrip(":")
    assert services["proxy"]["ports"] == [f"127.0.0.1:{inside}:{inside}"]
    assert f'redirect_uri = "http://localhost:{inside}/oauth2callback"' in PAGE
    provider = services["provider"]
    (alias,) = provider["networks"]["default"]["aliases"]
    at = find_only(r"--port (\d+)", provider["command"])
    assert provider["ports"] == [f"127.0.0.1:{at}:{at}"] and f'"http://{alias}:{at}/' in PAGE


def test_what_is_mounted_is_there_and_may_be_written_to() -> None:
    for service in COMPOSE["services"].values():
        for line in service.get("volumes", []):
            source, target = line.split(":")[:2]
            if source.startswith("."):
                assert (DEPLOY / source).is_file(), source
            else:
                # A volume is of whom the folder in the image is of.
                assert source in COMPOSE["volumes"] and target == read_image_environment()[VARIABLE]
                assert re.search(rf"install -d -o camscope .*{target}( |$)", DOCKERFILE, re.MULTILINE)
    files = {(DEPLOY / line.split(":")[0]).name: line.split(":")[1] for line in COMPOSE["services"]["proxy"]["volumes"]}
    assert files["sorry.http"] == COMPOSE["services"]["proxy"]["environment"]["CAMSCOPE_SORRY"]

    number = find_only(r"useradd --uid (\d+)", DOCKERFILE)
    assert read_steps("USER") == [number] and f"chown {number} .deploy/secrets.toml" in PAGE
    (secret,) = COMPOSE["services"]["one"]["secrets"]
    (folder,) = read_steps("WORKDIR")
    assert secret["target"] == f"{folder}/.streamlit/secrets.toml" and secret["source"] in COMPOSE["secrets"]


def test_what_is_set_is_a_setting() -> None:
    known = {PREFIX + name.upper() for name in ServerSettings.model_fields} | {VARIABLE}
    for name in ("one", "two"):
        given = {**read_image_environment(), **COMPOSE["services"][name]["environment"]}
        assert {variable for variable in given if variable.startswith(PREFIX)} <= known
        assert given["CAMSCOPE_SHARED"] == "yes", "which needs its quotes: YAML's yes is no word"


def test_nothing_is_swapped_and_the_provider_is_the_one_that_was_tried() -> None:
    one = COMPOSE["services"]["one"]
    assert one["mem_limit"] == one["memswap_limit"] and one["read_only"] and "/tmp" in one["tmpfs"]
    tried = find_only(r"oidc-provider-mock==([\d.]+)", COMPOSE["services"]["provider"]["command"])
    assert f"oidc-provider-mock=={tried}\n" in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")


class Fake(ThreadingHTTPServer):
    """A server that answers with its name, and is as ready as it is told.

    Attributes:
        ready: the status that it answers when it is asked whether it is.
    """

    def __init__(self, name: str) -> None:
        self.ready = 200

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                handler.send_response(self.ready if handler.path == READY else 200)
                handler.end_headers()
                handler.wfile.write(name.encode())

            def log_message(handler, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@contextmanager
def proxied(one: str, two: str) -> Iterator[str]:
    """HAProxy before two servers, each `name:port`, with its own configuration; gives its address."""
    port = find_port()
    own = {"CAMSCOPE_BIND": f"127.0.0.1:{port}", "CAMSCOPE_SORRY": str(DEPLOY / "sorry.http")}
    proxy = subprocess.Popen(
        ["haproxy", "-f", str(DEPLOY / "haproxy.cfg")],
        env={**os.environ, **own, "CAMSCOPE_ONE": one, "CAMSCOPE_TWO": two},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        proxy.kill()
        proxy.wait()


def ask(url: str, stays: str = "") -> str:
    """Which server answers somebody who was sent to one before; the status where none does."""
    request = urllib.request.Request(url, headers={"Cookie": f"camscope-server={stays}"} if stays else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return str(error.code)
    except OSError:
        return "nobody"


def await_answers(url: str, expected: dict[str, str]) -> None:
    """Return once everybody is answered as expected, by where they were sent before."""
    end = time.monotonic() + 30
    while (answers := {stays: ask(url, stays) for stays in expected}) != expected:
        assert time.monotonic() < end, answers
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="No HAProxy on this machine: `apt-get install haproxy`.")
def test_a_full_server_gets_nobody_new_and_keeps_its_own() -> None:
    one, two = Fake("one"), Fake("two")
    with proxied(*(f"127.0.0.1:{server.server_port}" for server in (one, two))) as url:
        await_answers(url, {"one": "one", "two": "two"})
        one.ready = 503
        await_answers(url, {"one": "one", "two": "two", "": "two"})
        assert {ask(url) for _ in range(5)} == {"two"}
        two.ready = 503
        await_answers(url, {"one": "one", "two": "two", "": "503"})
        one.ready = two.ready = 200
        await_answers(url, {"one": "one", "two": "two"})
        one.ready = 500
        await_answers(url, {"one": "two"})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="No HAProxy on this machine: `apt-get install haproxy`.")
def test_the_proxy_starts_without_all_of_its_servers() -> None:
    two = Fake("two")
    with proxied("no-such-server.invalid:80", f"127.0.0.1:{two.server_port}") as url:
        await_answers(url, {"": "two", "one": "two"})
