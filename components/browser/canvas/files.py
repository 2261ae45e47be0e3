"""Files that the browser fetches once, instead of with every update."""

from __future__ import annotations

from streamlit import runtime


def publish(data: bytes, kind: str, name: str, place: str) -> str:
    """An address of a file, from the app's own on; empty outside a running app.

    The name holds a digest because Streamlit names files above 1 MiB by a sample of their bytes, under which two scans
    can be one.

    Args:
        data: its bytes.
        kind: its media type.
        name: under which it is kept.
        place: where on the page it is used: what was there before is kept no longer.
    """
    if not runtime.exists():
        return ""
    # Seen from where the app lies, which only the browser knows: a proxy may have taken a path off on the way here.
    return runtime.get_instance().media_file_mgr.add(data, kind, place, file_name=name).lstrip("/")
