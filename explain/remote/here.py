"""A client's way to an engine in its own process, over the very bytes that would cross a network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from explain.remote.service import Service
from explain.remote.wire import read_frames


class Here:
    """See `explain.remote.client.Transport`.

    Args:
        service: answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.have, self.put = service.store.have, service.store.put
        self.describe, self.load, self.cancel = service.describe, service.load, service.cancel

    def explain(self, question: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames of the answer; closing them cancels."""
        with closing(cast(Any, self._service.explain(question))) as frames:
            for frame in frames:
                yield from read_frames(io.BytesIO(frame))
