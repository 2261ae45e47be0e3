"""Work is stopped when asked, and only then."""

import threading

import pytest

from explain.errors import Cancelled
from explain.progress import stop_if


def test_work_stops_once_it_is_asked_to() -> None:
    cancel = threading.Event()
    stop_if(None)
    stop_if(cancel)
    cancel.set()
    with pytest.raises(Cancelled, match="Nothing was changed"):
        stop_if(cancel)
