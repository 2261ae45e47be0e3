"""What a request brings with it: counted while it arrives, cut where it is too much; the name of an uploaded file."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.types import Message, Receive

from components.server.answers import Refused

_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f]|^[/\\]|^[A-Za-z]:[/\\]|(^|[/\\])\.\.([/\\]|$)")
_LONGEST_NAME = 1_024  # characters; a folder that is dropped comes with its paths


class Body:
    """A request's body on its way in, never more of it than was announced and is allowed.

    Args:
        receive: of the server.
        announced: bytes, by the request's own word; None where it says nothing.
        most: bytes allowed.
        take: is told of each piece by its size; False where that is too much for who sends it.

    Attributes:
        size: bytes that came so far.
        refused: why no more was taken; None as long as all is well.
        over: nothing more is on its way.
    """

    def __init__(
        self, receive: Receive, announced: int | None, most: int, take: Callable[[int], bool] = lambda _: True
    ) -> None:
        self._receive = receive
        self._announced = announced
        self._most = most
        self._take = take
        self.size = 0
        self.refused: Refused | None = None
        self.over = False

    async def receive(self) -> Message:
        """The next piece, or that the sender is gone: that ends whatever reads it, and what it read is forgotten."""
        message = await self._receive()
        if message["type"] == "http.request" and self.refused is None:
            size = len(message.get("body", b""))
            self.size += size
            self.over = not message.get("more_body", False)
            if self._announced is not None and self.size > self._announced:
                self.refused = Refused(400, "length", "This is longer than was announced.")
            elif self.size > self._most:
                self.refused = Refused(413, "size", "This is larger than what may be sent here.")
            elif size and not self._take(size):
                self.refused = Refused(429, "uploads", MANY_UPLOADS)
        return message if self.refused is None else {"type": "http.disconnect"}


MANY_UPLOADS = "These are more uploads at once than one person may send. What was sent before is kept; wait a minute."


def read_length(value: str | None) -> int | None:
    """What a request says of its body's length, in bytes; None where it says nothing.

    Raises:
        Refused: that is no length.
    """
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise Refused(400, "length", "The length of what is sent is no number.")
    return int(value)


def is_safe_name(name: str) -> bool:
    """Whether a file's name is one: no way out of a folder, and nothing that a header, a log or a screen would obey."""
    return len(name) <= _LONGEST_NAME and not _UNSAFE_NAME.search(name)
