"""JPEG Lossless and JPEG-LS, decoded in a process of its own.

The free decoder of these, GDCM, ends the whole process on some damaged frames, and others may keep it busy for minutes.
Beside the server that costs one sentence: the process is ended, and started anew for the next frame.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np

_ROOT = Path(__file__).parents[2]
_SECONDS = 20.0  # for a frame; the largest of a real scanner takes one
_IDLE_SECONDS = 120.0
_DESCRIBED = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PlanarConfiguration",
)


class DecoderProcess:
    """The process that decodes, started with the first frame; shared by all threads, which take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._retirement: threading.Timer | None = None
        atexit.register(self.close)

    def decode(self, dataset: Any, frame: bytes) -> np.ndarray:
        """The stored numbers of a frame, `(H, W)` or `(H, W, 3)`.

        Args:
            dataset: what the file says of its pixels, its transfer syntax too.
            frame: the compressed frame.

        Raises:
            ValueError: it cannot be decoded, or not in time.
        """
        asked: dict[str, Any] = {name: int(dataset.get(name) or 0) for name in _DESCRIBED}
        asked["syntax"] = str(dataset.file_meta.TransferSyntaxUID)
        asked["photometric"] = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
        asked["length"] = len(frame)
        with self._turn:
            if self._retirement is not None:
                self._retirement.cancel()
            try:
                return self._ask(json.dumps(asked).encode() + b"\n" + frame)
            finally:
                # What nobody has asked for in a while gives its memory back.
                self._retirement = threading.Timer(_IDLE_SECONDS, self._retire)
                self._retirement.daemon = True
                self._retirement.start()

    def _ask(self, request: bytes) -> np.ndarray:
        process = self._process if self._process is not None and self._process.poll() is None else _start()
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        watchdog = threading.Timer(_SECONDS, process.kill)
        watchdog.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            values = None
            if "shape" in answer:
                values = np.frombuffer(_read(process.stdout, answer["length"]), answer["type"]).reshape(answer["shape"])
        except (OSError, ValueError, EOFError):
            # It ended, or was ended, in the middle of it: nothing more is asked of it while it is about to go.
            self.close()
            values = None
        finally:
            watchdog.cancel()
        if values is None:
            raise ValueError("The frame cannot be decoded.")
        return values

    def _retire(self) -> None:
        with self._turn:
            self.close()

    def close(self) -> None:
        """End the process; the next frame starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "explain.pictures.decoder_process"],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what it says of a damaged frame is of no use to anyone
        start_new_session=True,
    )


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise EOFError
    return data


def main() -> None:
    """Decode frame after frame, from the standard input to the standard output, until that is closed."""
    import gdcm

    for speaker in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
        speaker()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while line := source.readline():
        asked = json.loads(line)
        frame = _read(source, asked["length"])
        try:
            values = _decode(asked, frame)
        except Exception:
            sink.write(b"{}\n")
        else:
            told = {"shape": values.shape, "type": values.dtype.str, "length": values.nbytes}
            sink.write(json.dumps(told).encode() + b"\n" + values.tobytes())
        sink.flush()


def _decode(asked: dict[str, Any], frame: bytes) -> np.ndarray:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels import pixel_array
    from pydicom.uid import UID

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(asked["syntax"])
    for name in _DESCRIBED:
        setattr(dataset, name, asked[name])
    dataset.PhotometricInterpretation = asked["photometric"]
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    return np.ascontiguousarray(pixel_array(dataset, index=0, decoding_plugin="gdcm"))


if __name__ == "__main__":
    main()
