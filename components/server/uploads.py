"""What is uploaded stays in memory on its way in, too."""

from __future__ import annotations

from starlette.formparsers import MultiPartParser
from streamlit import config


def keep_uploads_in_memory() -> None:
    """Let no upload pass through a temporary file, as the web server lets every one of more than a megabyte do.

    It has no option for it but this bound. What is larger than the largest upload, with what is
    wrapped round it, is refused while it arrives.
    """
    MultiPartParser.spool_max_size = (int(config.get_option("server.maxUploadSize")) + 2) * 2**20
