"""A picture of a patient is not written to a disk, not even while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from components.server.uploads import keep_uploads_in_memory
from tests.support.server import run

BODY = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="scan.dcm"\r\n\r\n'
    + bytes(3 * 2**20)
    + b"\r\n--x--\r\n"
)


def is_on_disk() -> bool:
    """Whether an upload of three megabytes lands in a file of the system."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield BODY

    headers = Headers({"content-type": "multipart/form-data; boundary=x"})
    parser = MultiPartParser(headers, stream())
    file = run(parser.parse())["file"]
    assert isinstance(file, UploadFile)
    return not file._in_memory


def test_an_upload_of_some_megabytes_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 2**20)
    assert is_on_disk(), "the test sees the file"
    keep_uploads_in_memory()
    assert not is_on_disk()
