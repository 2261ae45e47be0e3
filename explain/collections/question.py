"""What is asked of every picture of a collection, and the manifest that a run's folder has of it. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.collections.opening import FOLDERS
from explain.collections.source import Kind
from explain.errors import ExplainError
from explain.models.request import ModelRequest
from explain.networks.meaning import Outputs
from explain.passes.look import Score
from explain.pictures.naming import Names
from explain.pictures.scaling import MOST_WHITE, RULES
from explain.settings import read_refusal

FORMAT = 2
"""Of a run's folder. A folder of a higher one was written by a newer CAMscope. The first knew no regions."""

Thumbnails = Literal["none", "photographs", "all"]
"""Which pictures are kept small beside their maps; `photographs` leaves out what looks like a scan."""


class Order(BaseModel):
    """What a person asks for: what `collect` is given.

    Attributes:
        source: the path of the collection.
        out: the folder of the run.
        model: which model.
        model_file: where its checkpoint lies, where it comes from a file.
        methods: by name.
        settings: by method; what is not named keeps its default.
        layer: name of a layer, or `auto`.
        target: class index or label, or `auto` for each picture's likeliest class.
        score: differentiate the class's logit or its probability.
        verdicts: also judge the maps.
        white: see `explain.pictures.decode.decode`.
        thumbnails: see `Thumbnails`.
        names: whose names stay out of what is written.
        classes: where those of pictures come from, see `explain.collections.opening.open_source`.
        shard: pictures that are written together; left out, 32 on a CPU and 256 on a GPU.
        limit: how many pictures at most, drawn by `seed`; left out, all.
        seed: of that draw.
        regions: of which regions shares are told, see `explain.collections.region_finder.find_regions`.
        devices: how many work side by side, each with the model: GPUs, or where there is none, cores; left out, one
            process works.
        address: of the Ray cluster that they belong to, `HOST:PORT`, or `auto` for one that runs here; left out, one is
            started on this computer and ends with the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Path
    out: Path
    model: ModelRequest
    model_file: Path | None = None
    methods: tuple[str, ...] = Field(min_length=1)
    settings: dict[str, dict[str, Any]] = {}
    layer: str = "auto"
    target: int | str = "auto"
    score: Score = "logit"
    verdicts: bool = False
    white: int | None = Field(default=None, ge=1, le=MOST_WHITE)
    thumbnails: Thumbnails = "none"
    names: Names = "auto"
    classes: str = FOLDERS
    shard: int | None = Field(default=None, ge=1, le=4096)
    limit: int | None = Field(default=None, ge=1)
    seed: int = 0
    regions: str = ""
    devices: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    address: str | None = None


class CollectionQuestion(BaseModel):
    """All that decides what is written of a picture, complete.

    Attributes:
        fingerprint: of the model's weights.
        outputs: what its numbers are taken to mean.
        methods: those that can work on it.
        settings: by method, with defaults.
        layer: its name.
        target: index of the explained class; None for the likeliest.
        rules: by which pictures are decoded.
        precision: of the network's arithmetic.
        batch: pictures that go through the network at once.
        shard: pictures that are written together.
        regions: names of those whose shares are told.
        marked: digest of what says where they are.

    The others are those of `Order`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    outputs: Outputs
    methods: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    layer: str
    target: int | None
    score: Score
    verdicts: bool
    white: int | None
    rules: int = RULES
    thumbnails: Thumbnails
    names: Names
    precision: str
    batch: int
    shard: int
    regions: tuple[str, ...] = ()
    marked: str = ""

    @property
    def digest(self) -> str:
        """What it goes by: SHA-256 of itself as JSON, hexadecimal; where no region is asked for, as before there were
        any, so that runs of then go on.
        """
        told = self.model_dump(mode="json", exclude=None if self.regions else {"regions", "marked"})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class RunManifest(BaseModel):
    """`manifest.json` of a run's folder.

    Attributes:
        note: what whoever finds the folder must know.
        question: what was asked.
        digest: of the question.
        model: which model, in words.
        labels: names of its classes.
        source: of which kind the pictures' source is.
        path: where it lay; None where names are hidden.
        versions: of what can change a number, when the run began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["camscope-collection"] = "camscope-collection"
    format: int = FORMAT
    note: str = (
        "Not for diagnostic use. Maps of patients' scans are patients' data: keep this folder as you keep the scans."
    )
    question: CollectionQuestion
    digest: str
    model: ModelRequest
    labels: tuple[str, ...]
    source: Kind
    path: str | None
    versions: dict[str, str]


class _Format(BaseModel):
    kind: Literal["camscope-collection"]
    format: int


def read_run_manifest(data: bytes) -> RunManifest:
    """Read a run's manifest.

    Raises:
        ExplainError: it is none, or one that a newer CAMscope wrote.
    """
    try:
        told = _Format.model_validate_json(data)
        if told.format > FORMAT:
            raise ExplainError(
                f"This run was written by a newer CAMscope (format {told.format}; this one reads {FORMAT}). Update it."
            )
        return RunManifest.model_validate_json(data)
    except ValidationError as error:
        refusal = read_refusal(error)
        raise ExplainError(f"This is no run of a collection: {refusal.path or 'the file'}: {refusal.reason}.") from None


def compare_questions(held: CollectionQuestion, asked: CollectionQuestion) -> str:
    """What of a question differs from that of a folder, as a sentence; empty where nothing does."""
    different = [name for name in type(held).model_fields if getattr(held, name) != getattr(asked, name)]
    if not different:
        return ""
    called = {"fingerprint": "model", "marked": "regions"}
    names = ", ".join(dict.fromkeys(called.get(name, name) for name in different))
    return (
        f"This folder holds a run of another question: they differ in {names}. Name another folder, or ask the same to "
        "go on with this one."
    )
