"""People who use the dashboard without a browser: they speak Streamlit's protocol, and cost next to nothing.

Fifty browsers beside the server would measure themselves. What is seen here ends where the server has sent all of an
answer; how long it then takes to be painted, `benchmarks.load` asks real browsers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import websockets
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

SLOWEST = 10.0
"""Seconds after which an answer counts as an error."""

_GIVEN_UP = 60.0
_GRID = "-canvas"  # how the id of the grid of maps ends: until it is there, and when it is


@dataclass
class Answer:
    """What came of one move.

    Attributes:
        received: bytes.
        grids: what was sent to the grid of maps, as text.
        said: texts of errors on the page.
    """

    received: int = 0
    grids: str = ""
    said: list[str] = field(default_factory=list)


class Visitor:
    """One session.

    Args:
        url: of the dashboard.
        query: of the address that is opened.
    """

    def __init__(self, url: str, query: str) -> None:
        self._url, self._query = url, query
        self._states: dict[str, WidgetState] = {}
        self._elements: dict[str, tuple[str, str]] = {}  # by label or key: id, fragment
        self._page = ""
        self._session = ""

    async def arrive(self) -> Answer:
        """Open the page; everything on it."""
        with await asyncio.to_thread(urllib.request.urlopen, f"{self._url}/_stcore/health") as answer:
            self._cookie = answer.headers["set-cookie"].split(";")[0]
        self._token = self._cookie.partition("=")[2]
        self._line = await websockets.connect(
            f"ws://{urlsplit(self._url).netloc}/_stcore/stream",
            subprotocols=["streamlit", self._token],  # type: ignore[list-item]
            origin=self._url,  # type: ignore[arg-type]
            additional_headers={"Cookie": self._cookie},
            max_size=None,
        )
        return await self._run("")

    async def leave(self) -> None:
        """Close the window."""
        with contextlib.suppress(Exception):
            await self._line.close()

    async def move(self, label: str, value: float) -> Answer:
        """Release the slider whose label begins like this at a value."""
        (name,) = (name for name in self._elements if name.startswith(label))
        id, fragment = self._elements[name]
        self._states[id] = WidgetState(id=id)
        self._states[id].double_array_value.data.append(value)
        return await self._run(fragment)

    async def upload(self, name: str, data: bytes, instead_of: str = "") -> Answer:
        """Drop a picture on the upload field; its maps.

        Args:
            name: of the file.
            data: what is in it.
            instead_of: digest of an earlier one, which is taken away by the same message.
        """
        asked = BackMsg()
        asked.file_urls_request.request_id = uuid4().hex
        asked.file_urls_request.file_names.append(name)
        asked.file_urls_request.session_id = self._session
        await self._line.send(asked.SerializeToString())
        while True:
            message = await self._receive()
            if message.WhichOneof("type") == "file_urls_response":
                (urls,) = message.file_urls_response.file_urls
                break
        await asyncio.to_thread(self._put, urls.upload_url, name, data)
        id, _ = self._elements["Upload pictures"]
        state = self._states[id] = WidgetState(id=id)
        file = state.file_uploader_state_value.uploaded_file_info.add()
        file.name, file.size, file.file_id = name, len(data), urls.file_id
        file.file_urls.CopyFrom(urls)
        base, _ = self._elements["camscope_gallery"]
        trigger = _make_trigger_id(base, "events")
        if instead_of:
            event = {"event": "pressed", "value": {"action": "remove", "key": instead_of}}
            self._states[base] = WidgetState(id=base, json_value="{}")
            self._states[trigger] = WidgetState(id=trigger, json_trigger_value=json.dumps([event]))
        answer = await self._run("")
        for done in (id, trigger):
            self._states.pop(done, None)
        return answer

    def _put(self, address: str, name: str, data: bytes) -> None:
        edge = uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + data + f"\r\n--{edge}--\r\n".encode()
        request = urllib.request.Request(f"{self._url}{address}", body, method="PUT")
        request.add_header("Content-Type", f"multipart/form-data; boundary={edge}")
        request.add_header("Cookie", self._cookie)
        request.add_header("X-Xsrftoken", self._token)
        request.add_header("Origin", self._url)
        urllib.request.urlopen(request).close()

    async def _run(self, fragment: str) -> Answer:
        """Have the script run, or a part of it, and wait until all is sent."""
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.page_script_hash = self._page
        asked.rerun_script.fragment_id = fragment
        asked.rerun_script.widget_states.widgets.extend(self._states.values())
        answer = Answer()
        await self._line.send(asked.SerializeToString())
        while True:
            message = await self._receive()
            answer.received += message.ByteSize()
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._session = message.new_session.initialize.session_id or self._session
                self._page = message.new_session.page_script_hash
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._read(message.delta.new_element, message.delta.fragment_id, answer)
            elif kind == "script_finished":
                how = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
                # A run that makes way for the next, as after `st.rerun`, is not the end.
                if how == ("FINISHED_FRAGMENT_RUN_SUCCESSFULLY" if fragment else "FINISHED_SUCCESSFULLY"):
                    return answer

    async def _receive(self) -> ForwardMsg:
        message = ForwardMsg()
        message.ParseFromString(await asyncio.wait_for(self._line.recv(), _GIVEN_UP))  # type: ignore[arg-type]
        return message

    def _read(self, element: Any, fragment: str, answer: Answer) -> None:
        kind = element.WhichOneof("type")
        content = getattr(element, kind)
        if kind in ("slider", "file_uploader"):
            self._elements[content.label] = (content.id, fragment)
        elif kind == "bidi_component":
            self._elements[content.component_name] = (content.id, fragment)
            if content.component_name == "camscope_canvas":
                answer.grids += str(content)
        elif kind == "exception" or (kind == "alert" and content.format == content.ERROR):
            answer.said.append(getattr(content, "body", "") or content.message)


@dataclass
class Moves:
    """What visitors measured.

    Attributes:
        seconds: by visitor, from when a move was due until it was answered.
        errors: what went wrong, each in a few words.
        received: bytes of all answers.
    """

    seconds: dict[int, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    received: int = 0

    def note(self, number: int, seconds: float, answer: Answer, counts: bool) -> None:
        """Note an answer; before the measurement has begun, only what went wrong."""
        self.errors += [f"said: {said}" for said in answer.said]
        if seconds > SLOWEST:
            self.errors.append(f"took {seconds:.1f} s")
        if counts:
            self.seconds.setdefault(number, []).append(seconds)
            self.received += answer.received


async def follow(number: int, due: list[float], measured_from: float, act: Callable[[], Any], moves: Moves) -> None:
    """Make moves when they are due. One that comes late because the last one was not answered is late all the same.

    Args:
        number: of the visitor.
        due: when, by the loop's clock.
        measured_from: moves that were due earlier only warm up.
        act: makes one move and gives its answer.
        moves: where that is noted.
    """
    loop = asyncio.get_running_loop()
    for at in due:
        await asyncio.sleep(max(0.0, at - loop.time()))
        try:
            answer = await act()
            moves.note(number, loop.time() - at, answer, at >= measured_from)
        except Exception as error:
            moves.errors.append(f"{type(error).__name__}: {error}")
            return
