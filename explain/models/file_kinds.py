"""What a file is that is no checkpoint, told from its first bytes, and what to do with it."""

from __future__ import annotations

import re

from explain.errors import ModelError

_ALONE = "Save the weights alone: torch.save(model.state_dict(), path)."
_CONVERT = "Only PyTorch's weights are read. Convert it, or save the PyTorch model's state_dict()."

_BEGINNINGS: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", 0, f"is a Keras (HDF5) file of TensorFlow. {_CONVERT}"),
    (b"TFL3", 4, f"is a TensorFlow Lite program. {_CONVERT}"),
    (b"ET12", 4, f"is an ExecuTorch program, which is code. {_ALONE}"),
    (b"GGUF", 0, f"is a GGUF file, which holds language models. {_CONVERT}"),
    (b"\x93NUMPY", 0, f"is a NumPy array. {_CONVERT}"),
    (b"version https://git-lfs", 0, "is a pointer of Git LFS and not the file itself. Fetch it with “git lfs pull”."),
    (b"\x1f\x8b", 0, "is compressed with gzip. Unpack it, and give the checkpoint inside."),
    (b"BZh", 0, "is compressed with bzip2. Unpack it, and give the checkpoint inside."),
    (b"\xfd7zXZ\0", 0, "is compressed with xz. Unpack it, and give the checkpoint inside."),
    (b"\x28\xb5\x2f\xfd", 0, "is compressed with zstd. Unpack it, and give the checkpoint inside."),
    (b"7z\xbc\xaf\x27\x1c", 0, "is a 7z archive. Unpack it, and give the checkpoint inside."),
    (b"Rar!", 0, "is a RAR archive. Unpack it, and give the checkpoint inside."),
    (b"ustar", 257, "is a tar archive. Unpack it, and give the checkpoint inside."),
    (b"\x89PNG", 0, "is a picture. Choose a .safetensors, .pt or .pth file as the model."),
    (b"\xff\xd8\xff", 0, "is a picture. Choose a .safetensors, .pt or .pth file as the model."),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_SHARD = re.compile(r"-0*(\d+)-of-0*(\d+)\.\w+$")


def refuse_shard(name: str) -> None:
    """Refuse one part of a checkpoint that was cut into several files.

    Raises:
        ModelError: the name is that of such a part.
    """
    shard = _SHARD.search(name)
    if shard and int(shard.group(2)) > 1:
        raise ModelError(
            f"“{name}” is part {shard.group(1)} of {shard.group(2)} of a checkpoint, and the weights in the "
            "other parts are missing. Save it as one file, e.g. model.save_pretrained(path, max_shard_size=“50GB”)."
        )


def refuse_kind(data: bytes, name: str) -> ModelError:
    """Why a file that is neither safetensors nor of `torch.save` cannot be read.

    Args:
        data: its bytes.
        name: what to call it.
    """
    for beginning, at, words in _BEGINNINGS:
        if data[at : at + len(beginning)] == beginning:
            return ModelError(f"“{name}” {words}")
    if _WEB_PAGE.match(data[:200]):
        words = "is a web page and no checkpoint: the download led to a page of words. Download the file itself."
    elif data[:1] in b"{[" and b'"weight_map"' in data[: 2**20]:
        words = "is the index of a checkpoint in several parts and holds no weights. Save the model as one file."
    elif data[:1] in b"{[" and _is_text(data):
        words = "is a JSON text and no checkpoint. Choose the .safetensors, .pt or .pth file beside it."
    elif _is_onnx(data):
        words = f"is an ONNX program or another one of protocol buffers. {_CONVERT}"
    elif name.lower().endswith((".pb", ".onnx", ".tflite", ".h5", ".keras")):
        words = f"is no checkpoint of PyTorch. {_CONVERT}"
    else:
        words = "is no checkpoint. Choose a .safetensors, .pt or .pth file."
    return ModelError(f"“{name}” {words}")


def refuse_archive(files: set[str], name: str) -> ModelError:
    """Why an archive that holds no `data.pkl` of `torch.save`, or a program beside it, cannot be read.

    Args:
        files: the last parts of its entries' names.
        name: what to call it.
    """
    inside = sorted(file for file in files if file.lower().endswith((".pth", ".pt", ".safetensors", ".ckpt", ".tar")))
    if "constants.pkl" in files:
        words = f"is a TorchScript program, which is code. {_ALONE}"
    elif "model.weights.h5" in files:
        words = f"is a Keras file of TensorFlow. {_CONVERT}"
    elif (
        "archive_format" in files
        or any(file.endswith(".pt2") for file in files)
        or "serialized_exported_program.json" in files
    ):
        words = f"is an exported program, which is code. {_ALONE}"
    elif files and all(file.endswith(".npy") for file in files):
        words = f"is an archive of NumPy arrays. {_CONVERT}"
    elif inside:
        words = f"is an archive with {inside[0]} in it. Unpack it, and give that file."
    else:
        words = "is an archive without weights. Choose a .safetensors, .pt or .pth file."
    return ModelError(f"“{name}” {words}")


def _is_text(data: bytes) -> bool:
    try:
        data[:4096].decode("utf-8", "ignore").encode("ascii", "ignore")
        return b"\0" not in data[:4096]
    except ValueError:
        return False


def _is_onnx(data: bytes) -> bool:
    """A small version number, then another field of text or of a message."""
    return (
        len(data) > 4 and data[0] == 0x08 and data[1] < 0x40 and data[2] in (0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A, 0x42)
    )
