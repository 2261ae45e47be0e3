"""Methods of Streamlit's that ours stand before, where it has no option for what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

KEPT = "kept_by_camscope"
"""What a keeper remembers the method by that it stands before."""


def stand_before(owner: type, door: str, keeper: Callable[..., Any]) -> bool:
    """Have whoever calls a method call a keeper of ours in its place. Once for the server's life.

    Args:
        owner: the method's class.
        door: the method's name.
        keeper: is given the method itself, and then all that it was called with.

    Returns:
        Whether there is such a method: another Streamlit may have others.
    """
    call: Callable[..., Any] | None = getattr(owner, door, None)
    if call is None:
        return False
    if not hasattr(call, KEPT):

        def call_keeper(*given: Any, **named: Any) -> Any:
            return keeper(call, *given, **named)

        setattr(call_keeper, KEPT, call)
        setattr(owner, door, call_keeper)
    return True
