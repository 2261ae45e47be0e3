"""Errors whose text is a sentence for the person: what was wrong and what to do; and names as they stand in one."""


class ExplainError(ValueError):
    """Base of everything CAMscope refuses on purpose. `str(error)` is fit to be shown as it is."""


class PictureError(ExplainError):
    """The bytes are no picture that can be explained."""


class ModelError(ExplainError):
    """The model cannot be found, read, or explained."""


class LayerError(ExplainError):
    """The layer does not exist, or its output cannot be laid on the picture."""


class TargetError(ExplainError):
    """The class to explain does not exist in this model."""


class MethodError(ExplainError):
    """The method does not exist, or it cannot work on this model."""


class Cancelled(ExplainError):
    """The person stopped the work."""


class Busy(Cancelled):
    """Others are served first, and this would take too long. As if it had been stopped, nothing is changed by it."""


class EngineAway(Busy):
    """The engine is elsewhere and does not answer now. Whoever asks again may be answered."""


class DataSetError(ExplainError):
    """The pictures are no set that prompts can be trained on."""


class StorageError(ExplainError):
    """What people make cannot be kept on this computer's disk, or cannot be read from it."""


class RightsError(ExplainError):
    """Whoever acts may not do it."""


class DeviceError(ExplainError):
    """The device does not exist, or has too little memory."""


def make_printable(text: str, longest: int, start: int = 0) -> str:
    """A name that a stranger gave, fit for a sentence: printable, and with an ellipsis where it is too long.

    Args:
        text: the name.
        longest: characters at most.
        start: how many of them are kept of its beginning where it is too long; the others are of its end.
    """
    printable = "".join(character if character.isprintable() else "�" for character in text)
    return printable if len(printable) <= longest else printable[:start] + "…" + printable[start + 1 - longest :]
