"""What becomes of a method that fails inside: a sentence in its place, and the maps of all others stand."""

from __future__ import annotations

import logging

from explain.errors import Cancelled, DeviceError, ExplainError
from explain.methods import Method

_log = logging.getLogger(__name__)


def excuse(method: Method, error: Exception) -> str:
    """Why there is no map by a method, in a sentence. What nobody expected is told to the log in full.

    Args:
        method: the one that failed.
        error: what it, or a pass that was run for it, raised.

    Raises:
        Cancelled, DeviceError: the error is one of these, which are not the method's own: whoever stopped the work
            wants no other map either, and a device without memory has none for them.
    """
    if isinstance(error, (Cancelled, DeviceError)):
        raise error
    if isinstance(error, ExplainError):
        return str(error)
    _log.error("%s failed: %s: %s", method.title, type(error).__name__, error, exc_info=error)
    return (
        f"{method.title} could not be worked out on this model: something in it failed that CAMscope did not expect. "
        "The other maps are not touched by it. Choose another method; the reason is in the log."
    )
