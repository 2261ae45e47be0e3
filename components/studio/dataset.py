"""The pictures to learn from: sample birds, a folder, a zip, or files class by class."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.choices.pictures import make_thumbnail
from components.choices.view import pick_one
from components.session.idle import find_holdings
from components.session.uploaded import take_over
from components.session.work import Place, Work, go_on, is_stopped
from components.studio.groups import pick_groups
from components.words import escape
from explain.datasets.dataset import DataSet, Example, describe_skipped
from explain.datasets.reading import read_files, read_zip
from explain.errors import Cancelled, ExplainError
from explain.maps.render import encode_png
from explain.pictures.decode import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

Source = Literal["birds", "folder", "zip", "classes"]

SOURCE = "studio-source"
SOURCES: dict[Source, str] = {
    "birds": "Sample birds",
    "folder": "A folder",
    "zip": "A zip",
    "classes": "Class by class",
}
SOURCE_TOGETHER = "attention-source"
SOURCES_TOGETHER: dict[Source, str] = {name: title for name, title in SOURCES.items() if name != "classes"}
"""Where no classes are asked for."""

SPECIES, EACH = "studio-species", "studio-each"
FEWEST_SPECIES, MOST_SPECIES, FIRST_SPECIES = 2, 6, 4
FEWEST_EACH, MOST_EACH, FIRST_EACH = 10, 100, 40

_STATE = "studio-data"
_MOST_CARDS = 12
_THUMBNAILS = 3
_LONGEST_CLASS = 80
_LONGEST_FILE = 200

_log = logging.getLogger(__name__)

Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Given:
    """What was given to learn from.

    Attributes:
        key: changes with it.
        title: what it is called; the name of the training unless another is given.
        read: makes a data set of it, by class or with all pictures together.
        together: how it was told which pictures belong together, see `PromptRecipe.together`.
    """

    key: str
    title: str
    read: Callable[[Work[DataSet], bool], DataSet]
    together: str = ""


@dataclass(frozen=True)
class Upload:
    """Files that came together: their number among all uploads, what they are called, and their names and bytes."""

    number: int
    name: str
    files: Files


@dataclass
class Pile:
    """What a session has brought to learn from. It outlasts a change of page.

    Attributes:
        archive: a zip.
        folder: the files of a folder.
        classes: the files of each class.
        uploads: how many uploads there were; a new number empties the fields.
        found: what was read last, by the key of what it was read from.
        problem: why that could not be read.
        refusal: why the last class could not be added.
        gone: a sentence where what was brought was let go.
    """

    archive: Upload | None = None
    folder: Upload | None = None
    classes: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    uploads: int = 0
    found: dict[str, DataSet] = field(default_factory=dict)
    problem: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    gone: str = ""

    def count_bytes(self) -> int:
        """Memory that the files take."""
        piles = [upload.files for upload in (self.archive, self.folder) if upload is not None]
        return sum(len(data) for files in [*piles, *self.classes.values()] for _, data in files)

    def let_go(self, minutes: int) -> None:
        """Forget what was brought, because nobody has touched it for so many minutes and others need room."""
        if not self.count_bytes():
            return
        self.archive = self.folder = self.refusal = None
        self.classes, self.found, self.problem = {}, {}, {}
        self.gone = (
            f"Your pictures to learn from were taken out of the memory after {minutes} minutes without a press, because"
            " others use this server too. Give them again to go on; a training that had begun has them."
        )

    def add_class(self, name: str, files: Files) -> str | None:
        """Take files for a class, or say why not."""
        cleaned = " ".join(name.replace("/", " ").replace("\\", " ").split())[:_LONGEST_CLASS].strip(". ")
        if not cleaned:
            return "Give the class a name first, such as “robin”."
        if not files:
            return f"Choose pictures of “{cleaned}” first."
        self.classes.setdefault(cleaned, []).extend(files)
        self.uploads += 1
        return None

    def remove_class(self, name: str) -> None:
        """Take a class away again, with its files."""
        del self.classes[name]


def get_pile() -> Pile:
    """This session's pictures to learn from."""
    if _STATE not in st.session_state:
        st.session_state[_STATE] = Pile()
    pile: Pile = st.session_state[_STATE]
    find_holdings().touch(pile)
    return pile


def pick_dataset(by_class: bool = True) -> tuple[Given, DataSet] | None:
    """Offer the sources, read what is given, and show what was found; None until there is something.

    Args:
        by_class: whether classes are to be told apart. If not, pictures may lie anywhere.
    """
    source = pick_one(
        "Pictures to learn from",
        SOURCE if by_class else SOURCE_TOGETHER,
        SOURCES if by_class else SOURCES_TOGETHER,
        "Birds that are drawn here, to try it at once; or your own: a folder or a zip with a folder for each "
        "class (or train and val with such folders in them), or files class by class."
        if by_class
        else "Birds that are drawn here, for a model that knows them; or your own: a folder or a zip of pictures of "
        "the kind that the model knows.",
    )
    pick: dict[Source, Callable[[], Given | None]] = {
        "birds": _pick_birds,
        "folder": lambda: _pick_folder(by_class),
        "zip": lambda: _pick_zip(by_class),
        "classes": _pick_classes,
    }
    given = pick[source]()
    place, pile = Place("dataset"), get_pile()
    if given is None:
        if pile.gone:
            st.info(pile.gone, icon=":material/hourglass_disabled:")
        return None
    if source != "birds":
        pile.gone = ""
    if not by_class:
        given = replace(given, key=f"{given.key} together")
    read = given.read
    if is_stopped(given.key):
        with place.container():
            st.info("Stopped. Nothing was read.", icon=":material/front_hand:")
            st.button("Read them again", key="studio-read-again", on_click=go_on)
        return None
    if given.key not in pile.found and given.key not in pile.problem:
        try:
            work: Work[DataSet] = Work(lambda work: read(work, by_class))
            pile.found = {given.key: place.watch(work, "Reading the pictures …", stop_key=given.key)}
        except Cancelled:
            raise
        except ExplainError as error:
            pile.problem = {given.key: str(error)}
        except Exception:
            _log.exception("Pictures to learn from could not be read")
            pile.problem = {given.key: "These pictures could not be read. The reason is in the server's log."}
    with place.container():
        if given.key in pile.problem:
            st.error(pile.problem[given.key], icon=":material/error:")
            return None
        dataset = pile.found[given.key]
        if by_class and source != "birds":
            grouped = pick_groups(dataset)
            if grouped is None:
                return None
            dataset, together = grouped
            given = replace(given, together=together)
        show_dataset(dataset)
    return given, dataset


def _pick_birds() -> Given:
    st.session_state.setdefault(SPECIES, FIRST_SPECIES)
    st.session_state.setdefault(EACH, FIRST_EACH)
    with st.container(horizontal=True, gap="medium"):
        species = st.slider(
            "Species",
            FEWEST_SPECIES,
            MOST_SPECIES,
            key=SPECIES,
            persist_state="session",
            width=245,
            help="The first two differ in one trait only.",
        )
        each = st.slider(
            "Pictures of each",
            FEWEST_EACH,
            MOST_EACH,
            step=10,
            key=EACH,
            persist_state="session",
            width=245,
            help="More pictures take longer to learn from, and tell better how good the result is.",
        )
    return Given(f"birds {species} {each}", "sample-birds", partial(_draw_birds, species, each))


def _draw_birds(species: int, each: int, work: Work[DataSet], by_class: bool) -> DataSet:
    from explain.bundled.birds.species import SPECIES as TABLE

    names = [row.name for row in TABLE[:species]]
    files: list[tuple[str, bytes]] = []
    for file in draw_bird_files(names, each):
        if work.cancel.is_set():
            raise Cancelled("Drawing the birds was stopped.")
        work.report("Drawing the birds", len(files) / (species * each))
        files.append(file)
    return read_files(files, "sample birds", cancel=work.cancel, by_class=by_class)


def draw_bird_files(species: Sequence[str], each: int, first_seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Drawn birds as the files of a folder: path and bytes, one after the other."""
    from explain.bundled.birds.draw import draw_bird

    for place, name in enumerate(species):
        for number in range(each):
            # A seed of its own for each, or siblings would differ in nothing but their trait.
            seed = first_seed + place * each + number
            yield f"{name}/{name.replace(' ', '-')}-{number + 1:03d}.png", encode_png(draw_bird(name, seed).pixels)


def _pick_folder(by_class: bool) -> Given | None:
    pile = get_pile()
    key = f"studio-folder-{pile.uploads}"

    def take() -> None:
        files = st.session_state[key]
        if files:
            pile.uploads += 1
            name = files[0].name.replace("\\", "/").partition("/")[0]
            pile.folder = Upload(pile.uploads, name, take_over(files))

    if pile.folder is None:
        st.file_uploader(
            "Folder with a folder of pictures for each class" if by_class else "Folder of pictures",
            accept_multiple_files="directory",
            key=key,
            on_change=take,
            help="class/picture.jpg, or train/class/picture.jpg and val/class/picture.jpg. For thousands of pictures a "
            "zip is quicker. They stay on the machine that runs CAMscope.",
        )
        return None
    upload = pile.folder
    _show_upload(upload, f"{len(upload.files):,} files", "Another folder", lambda: setattr(pile, "folder", None))

    def read(work: Work[DataSet], by_class: bool) -> DataSet:
        report = lambda share, text: work.report(text, share)  # noqa: E731
        return read_files(upload.files, upload.name, report, work.cancel, by_class)

    return Given(f"folder {upload.number}", upload.name, read)


def _pick_zip(by_class: bool) -> Given | None:
    pile = get_pile()
    key = f"studio-zip-{pile.uploads}"

    def take() -> None:
        file = st.session_state[key]
        if file is not None:
            pile.uploads += 1
            pile.archive = Upload(pile.uploads, file.name, take_over([file]))

    if pile.archive is None:
        st.file_uploader(
            "Zip with a folder of pictures for each class" if by_class else "Zip of pictures",
            type=["zip"],
            key=key,
            on_change=take,
            help="class/picture.jpg, or train/class/picture.jpg and val/class/picture.jpg. It stays on the machine "
            "that runs CAMscope.",
        )
        return None
    upload = pile.archive
    data = upload.files[0][1]
    _show_upload(upload, f"{len(data) / 1e6:,.1f} MB", "Another zip", lambda: setattr(pile, "archive", None))

    def read(work: Work[DataSet], by_class: bool) -> DataSet:
        return read_zip(data, upload.name, lambda share, text: work.report(text, share), work.cancel, by_class)

    return Given(f"zip {upload.number}", upload.name.rsplit(".", 1)[0], read)


def _show_upload(upload: Upload, size: str, label: str, forget: Callable[[], Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{escape(upload.name)} · {size}", width="content")
        st.button(label, key=f"studio-forget-{upload.number}", on_click=forget, help="Choose a different one.")


def _pick_classes() -> Given | None:
    pile = get_pile()
    name_key, files_key = f"studio-class-{pile.uploads}", f"studio-class-files-{pile.uploads}"

    def add() -> None:
        files = st.session_state[files_key]
        pile.refusal = pile.add_class(st.session_state[name_key], [(file.name, file.getvalue()) for file in files])
        if pile.refusal is None:
            take_over(files)

    with st.container(border=True):
        st.text_input(
            "Name of the class",
            key=name_key,
            placeholder="robin",
            max_chars=_LONGEST_CLASS,
            help="Pictures added under a name that is there already join those.",
        )
        st.file_uploader(
            "Its pictures",
            accept_multiple_files=True,
            key=files_key,
            help="Twenty or more are a good beginning. They stay on the machine that runs CAMscope.",
        )
        st.button(
            "Add this class",
            key="studio-class-add",
            on_click=add,
            icon=":material/add:",
            help="At least two classes are needed, each with two pictures or more.",
        )
        if pile.refusal is not None:
            st.error(pile.refusal, icon=":material/error:")
    for number, (label, pictures) in enumerate(pile.classes.items()):
        with st.container(horizontal=True, vertical_alignment="center"):
            count = f"{len(pictures)} file{'s' if len(pictures) != 1 else ''}"
            st.markdown(f"{escape(label)} · {count}", width="content")
            st.button(
                "Remove",
                key=f"studio-class-remove-{number}",
                on_click=pile.remove_class,
                args=(label,),
                help=f"Take “{label}” away again.",
            )
    if len(pile.classes) < 2:
        missing = "two classes" if not pile.classes else "a second class"
        st.info(f"Add {missing}: what is learnt is what tells one from the other.", icon=":material/category:")
        return None
    paths = list_paths(pile.classes)
    key = f"classes {pile.uploads} {[*pile.classes]}"

    def read(work: Work[DataSet], by_class: bool) -> DataSet:
        return read_files(paths, "your classes", lambda share, text: work.report(text, share), work.cancel, by_class)

    return Given(key, "my-classes", read)


def list_paths(classes: Mapping[str, Files]) -> list[tuple[str, bytes]]:
    """Every file as `class/file`, as if the classes were folders."""
    return [
        # The name alone: browsers send a path with files of a folder.
        (f"{name}/{file.replace(chr(92), '/').rsplit('/', 1)[-1][-_LONGEST_FILE:]}", data)
        for name, files in classes.items()
        for file, data in files
    ]


def show_dataset(dataset: DataSet) -> None:
    """What was read: counts, a strip of each class, and what is left out and why."""
    st.caption(describe_counts(dataset))
    cards(build_class_cards(dataset), "studio-classes", "The classes", width=64, layout="wall")
    if len(dataset.labels) > _MOST_CARDS:
        with st.expander(f"All {len(dataset.labels)} classes"):
            st.dataframe(_count_classes(dataset), hide_index=True)
    if dataset.skipped:
        with st.expander(describe_skipped(dataset.skipped), icon=":material/warning:"):
            st.dataframe(
                [{"File": skipped.name, "Why": skipped.reason} for skipped in dataset.skipped], hide_index=True
            )


def describe_counts(dataset: DataSet) -> str:
    """How many pictures and classes, in one sentence."""
    learnt = len(dataset.list_split("train"))
    of_classes = f" of {len(dataset.labels)} classes" if len(dataset.labels) > 1 else ""
    return (
        f"{len(dataset.examples):,} pictures{of_classes}: {learnt:,} to learn from, "
        f"{len(dataset.examples) - learnt:,} kept back."
    )


def build_class_cards(dataset: DataSet) -> list[Card]:
    """A card with a few pictures for each of the first classes."""
    items = []
    for index, row in enumerate(_count_classes(dataset)[:_MOST_CARDS]):
        label = str(row["Class"])
        examples = pick_examples(dataset, index, _THUMBNAILS)
        frames = [Frame(draw_thumbnail(example), f"{label}: {example.name}") for example in examples]
        counts = f"{row['To learn from']} to learn from, {row['Kept back']} kept back"
        items.append(Card(str(index), label, [counts], frames))
    return items


def pick_examples(dataset: DataSet, label: int, count: int) -> Sequence[Example]:
    """The first pictures of a class."""
    return [example for example in dataset.examples if example.label == label][:count]


def draw_thumbnail(example: Example) -> str:
    """A picture of a data set as a small square, as a data address; kept by its digest."""
    return _draw_thumbnail(example, example.digest)


@st.cache_resource(max_entries=2000, show_spinner=False)
def _draw_thumbnail(_example: Example, digest: str) -> str:
    return make_thumbnail(decode(_example.data, _example.name))


def _count_classes(dataset: DataSet) -> list[dict[str, str | int]]:
    counts = Counter((example.label, example.split) for example in dataset.examples)
    return [
        {"Class": label, "To learn from": counts[index, "train"], "Kept back": counts[index, "val"]}
        for index, label in enumerate(dataset.labels)
    ]
