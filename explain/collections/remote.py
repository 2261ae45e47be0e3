"""Files elsewhere: in a bucket, on the hub, on a web server. Read by fsspec, and only where a person names them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

from explain.errors import DataSetError

SCHEMES = ("http", "https", "ftp", "sftp", "s3", "gs", "gcs", "az", "abfs", "hf", "memory", "file")
"""What an address may begin with: whatever else fsspec reads would unpack to this computer's disk, or run something."""


def read_address(path: Path) -> str | None:
    """The address that a path is, of which a `Path` has dropped a slash; None where it is none."""
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9]*):/+(.*)", path.as_posix())
    if found is None or found[1].lower() not in SCHEMES:
        return None
    scheme = found[1].lower()
    return f"{scheme}://{'/' if scheme == 'file' else ''}{found[2]}"


class RemotePath:
    """A file or folder elsewhere, with what is needed of a `Path`. What goes wrong on the way is an `OSError`.

    Args:
        system: fsspec's file system.
        inside: the path in it.
        shown: what people call it: the address without a person's name, password or signature in it.
    """

    def __init__(self, system: Any, inside: str, shown: str) -> None:
        self._system, self._inside, self._shown = system, inside.rstrip("/"), shown.rstrip("/")

    @classmethod
    def at(cls, address: str) -> RemotePath:
        """What lies at an address. Nothing is asked of the network yet.

        Raises:
            DataSetError: a package is missing that speaks to such places.
        """
        import fsspec

        parts = urlsplit(address)
        shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        shown = shown if "://" in shown else shown.replace(":", "://", 1)
        try:
            with _naming_faults():
                system, inside = fsspec.core.url_to_fs(address)
                return cls(system, inside, shown)
        except ImportError as error:
            raise DataSetError(
                f"{shown} needs a package that is not installed here ({str(error).rstrip('.')}): `pip install -r "
                "requirements-cluster.txt`. Or download it, and name the folder."
            ) from None
        except OSError as error:
            raise DataSetError(f"{shown} cannot be opened: {error}.") from None

    def __str__(self) -> str:
        return self._shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and (self._system, self._inside) == (other._system, other._inside)

    def __hash__(self) -> int:
        return hash((self._system, self._inside))

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self._system, f"{self._inside}/{name}", f"{self._shown}/{name}")

    @property
    def name(self) -> str:
        """Its last part."""
        return self._shown.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """How its name ends."""
        return PurePosixPath(self.name).suffix

    def is_dir(self) -> bool:
        """Whether it is taken for a folder: whatever is not called like an archive or a table."""
        return self.suffix.lower() not in (".zip", ".tar", ".parquet", ".gz", ".tgz", ".xz", ".bz2", ".zst")

    @cached_property
    def files(self) -> Sequence[tuple[str, int]]:
        """All files below a folder, by their paths from there, with their bytes; -1 where a server does not say.

        Raises:
            OSError: it cannot be reached.
        """
        with _naming_faults():
            found = self._system.find(self._inside, detail=True)
            if not found:  # which is also what it says of what it cannot reach
                self._system.ls(self._inside)
        start = f"{self._inside}/"  # a web page may link to what lies outside
        return [
            (path.removeprefix(start), -1 if told.get("size") is None else int(told["size"]))
            for path, told in sorted(found.items())
            if path.startswith(start)
        ]

    def measure(self) -> int:
        """How many bytes a file has; 0 where the server does not say.

        Raises:
            OSError: it cannot be reached.
        """
        with _naming_faults():
            return int(self._system.info(self._inside).get("size") or 0)

    def read_bytes(self) -> bytes:
        """All of a file.

        Raises:
            OSError: it cannot be read.
        """
        with _naming_faults():
            return bytes(self._system.cat_file(self._inside))

    def open(self, mode: str = "rb") -> BinaryIO:
        """A file, of which what is asked for is fetched.

        Raises:
            OSError: it cannot be reached.
        """
        with _naming_faults():
            return io.BufferedReader(_Stream(self._system.open(self._inside, mode)))


class _Stream(io.RawIOBase):
    """A file of fsspec, whose faults have one kind."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _naming_faults():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with _naming_faults():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def _naming_faults() -> Iterator[None]:
    """While entered, whatever a library raises of a network is an `OSError`: they have many kinds."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}".rstrip(". ")) from None


Place = Path | RemotePath
"""Where a collection lies."""


def list_named(place: Place, suffix: str) -> list[tuple[str, Place]]:
    """The files of a kind below a folder, by their paths from there; a file by itself has no path.

    Raises:
        OSError: it cannot be reached.
    """
    if not place.is_dir():
        return [("", place)]
    if isinstance(place, RemotePath):
        return [(name, place / name) for name, _ in place.files if name.endswith(suffix)]
    return [(path.relative_to(place).as_posix(), path) for path in sorted(place.rglob(f"*{suffix}"))]
