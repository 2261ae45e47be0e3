"""Files that a field brought, taken over from the web server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from streamlit.elements.widgets.file_uploader import DeletedFile
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


def take_over(files: Iterable[UploadedFile | DeletedFile]) -> list[tuple[str, bytes]]:
    """Names and contents of files that were uploaded. The web server, which would keep them as long as the session
    lasts, whatever becomes of them here, forgets them.

    Only for a field that is empty or gone from then on: what it announces once more is nothing any longer, and is left
    out.
    """
    context = get_script_run_ctx(suppress_warning=True)
    taken = []
    for file in files:
        if isinstance(file, DeletedFile):
            continue
        taken.append((file.name, file.getvalue()))
        if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    return taken
