"""The pictures of a session: examples that ship with CAMscope, uploaded files, and photos from the camera."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import get_args

import cv2
import streamlit as st

from components.browser.gallery import GalleryItem, Pressed, gallery
from components.choices.dropdown import dropdown
from components.choices.opening import Opening, follow_opening, open_scans, take_opened
from components.choices.prior import open_prior, pick_prior, put_prior
from components.choices.series import ZIP, are_series, get_scans, pick_slice, set_scans
from components.session.idle import find_holdings
from components.session.uploaded import take_over
from explain.bundled.pictures import bundled_pictures
from explain.engine.quotas import read_quotas
from explain.errors import Cancelled, PictureError, RightsError
from explain.pictures.bounds import READABLE
from explain.pictures.decode import decode
from explain.pictures.naming import Names, hide_name, is_hidden
from explain.pictures.picture import Picture
from explain.rights import describe_missing, may

NAMES = "names"
"""Key of the session's state: whose file names are hidden."""

NAME_MODES: dict[Names, str] = {"auto": "Hidden for DICOM files", "hidden": "Hidden for all files", "shown": "Shown"}

_MOST_UPLOADED = 500  # MB, as for the server; a picture of its own may have `MAX_BYTES`
_THUMBNAIL = 144  # pixels of the shorter side: twice what is shown, for fine screens

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Tray:
    """What a session has at hand. It lives in the session's state and outlasts a change of page.

    Attributes:
        own: pictures the person brought, by digest, in the order they came, as their files are called.
        numbers: of these, by digest: the first picture that came is 1.
        thumbnails: of these, by digest.
        shown: keys of the pictures to explain: names of examples, digests of the person's own.
        awaited: digests of pictures that a link shows and that have yet to be uploaded.
        problems: sentences on files that could not be read at the last upload.
        notes: sentences on files that were read, but brought nothing new.
        uploads: how many uploads there were; a new number empties the upload field.
        read: of the files that were uploaded, the numbers that Streamlit gave them.
        photos: how many photos were taken.
        files: of those that came as files, these, by digest.
    """

    own: dict[str, Picture] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    thumbnails: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=lambda: [bundled_pictures()[0].name])
    awaited: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    uploads: int = 0
    read: set[str] = field(default_factory=set)
    photos: int = 0
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def originals(self) -> dict[str, bytes]:
        """The DICOM files, by digest: objects for an archive are made from them."""
        return {digest: data for digest, data in self.files.items() if self.own[digest].modality is not None}

    def take(self, files: Sequence[tuple[str, bytes]], names: Names = "auto") -> None:
        """Read files and show those that are pictures. A file that is none costs a sentence and nothing else."""
        self.problems, self.notes = [], []
        taken: list[str] = []
        quotas = read_quotas()
        for place, (name, data) in enumerate(files, start=1):
            said = f"File {place}" if is_hidden(names, _looks_like_dicom(data)) else name
            if len(data) > quotas.picture_mb * 1e6:
                self.problems.append(
                    f"“{said}” has {len(data) / 1e6:,.4g} MB, and a picture may have {quotas.picture_mb:,g} MB here. "
                    "Make it smaller first."
                )
                continue
            try:
                picture = replace(decode(data, said), name=name)
            except (PictureError, RightsError) as error:
                self.problems.append(str(error))
                continue
            except Exception:
                _log.exception("A file could not be read as a picture")
                self.problems.append(f"“{said}” could not be read as a picture. Save it as PNG or JPEG and try again.")
                continue
            kept = [other for digest, other in self.own.items() if digest != picture.digest]
            held = len(data) + sum(map(len, self.files.values()))
            if len(kept) >= quotas.pictures or count_bytes([*kept, picture]) + held > quotas.decoded_mb * 2**20:
                self.problems.append(f"There is no room left for “{said}”. Remove some of your pictures first.")
                continue
            if not find_holdings().has_room(count_bytes([picture]) + len(data)):
                self.problems.append(
                    f"There is no room left for “{said}”, because the pictures of all who are here take much memory. "
                    "Try again in some minutes."
                )
                continue
            if picture.digest in self.own:
                before = self.name(picture.digest, names)
                same = "" if before == said else f" as “{before}”: it is the same picture"
                self.notes.append(f"“{said}” is here already{same}.")
            self.own[picture.digest] = picture
            self.files[picture.digest] = data
            self.numbers.setdefault(picture.digest, len(self.numbers) + 1)
            self.thumbnails[picture.digest] = make_thumbnail(picture)
            if picture.digest not in taken:
                taken.append(picture.digest)
        if not taken:
            return
        if self.awaited:
            self.problems += [
                f"“{self.name(digest, names)}” is not a picture that the link shows: its content differs."
                for digest in taken
                if digest not in self.awaited
            ]
        arrived = set(taken) & set(self.awaited)
        self.awaited = [digest for digest in self.awaited if digest not in arrived]
        stay = [key for key in self.shown if key not in taken and (key in self.own or arrived)]
        self.shown = stay + taken

    def put(self, picture: Picture, instead_of: str = "", show: bool = True) -> None:
        """Keep a picture that is decoded already.

        Args:
            picture: it may be here already.
            instead_of: digest of the one whose place it takes, where that is here.
            show: whether it is shown where it takes no place.
        """
        if picture.digest == instead_of:
            return
        if instead_of in self.own:
            self.own = {picture.digest if key == instead_of else key: one for key, one in self.own.items()}
            self.numbers[picture.digest] = self.numbers[instead_of]
            self.thumbnails.pop(instead_of, None)
            self.files.pop(instead_of, None)
            self.shown = [picture.digest if key == instead_of else key for key in self.shown]
        else:
            self.numbers.setdefault(picture.digest, len(self.numbers) + 1)
            if show:
                self.shown = [key for key in self.shown if key in self.own and key != picture.digest] + [picture.digest]
        self.own[picture.digest] = picture
        self.thumbnails[picture.digest] = make_thumbnail(picture)
        self.shown = list(dict.fromkeys(self.shown))
        self.awaited = [digest for digest in self.awaited if digest != picture.digest]

    def give(self, digest: str, names: Names) -> Picture:
        """One of the person's own pictures, as it is called where others may see it."""
        return hide_name(self.own[digest], self.numbers[digest], names)

    def name(self, digest: str, names: Names) -> str:
        """What one of them is called there."""
        return self.give(digest, names).name

    def show_only(self, key: str) -> None:
        """Show this picture alone."""
        self.shown, self.awaited = [key], []

    def toggle(self, key: str) -> None:
        """Show one more picture, or one less."""
        self.shown = [other for other in self.shown if other != key] if key in self.shown else [*self.shown, key]

    def count_bytes(self) -> int:
        """Memory that they take, with the files that were kept."""
        return count_bytes([*self.own.values()]) + sum(map(len, [*self.files.values()]))

    def let_go(self, minutes: int) -> None:
        """Forget the person's own pictures, because nobody has touched them for so many minutes and others need room.
        Those that were shown are awaited: nothing else takes their place.
        """
        if not self.own:
            return
        count = len(self.own)
        were = "1 picture of yours was" if count == 1 else f"{count} pictures of yours were"
        again = "it" if count == 1 else "them"
        self.problems = []
        self.notes = [
            f"{were} taken out of the memory after {minutes} minutes without a press, because others use this server "
            f"too. Upload {again} again to go on; your other choices are as you left them."
        ]
        # The slice of a series comes back with it.
        self.awaited = [key for key in self.shown if key in self.own and self.own[key].section is None]
        self.shown = [key for key in self.shown if key not in self.own]
        self.own, self.thumbnails, self.files = {}, {}, {}

    def remove(self, key: str) -> None:
        """Forget one of the person's own pictures."""
        for kept in (self.own, self.thumbnails, self.files):
            kept.pop(key, None)
        self.shown = [other for other in self.shown if other != key]


def count_bytes(pictures: Sequence[Picture]) -> int:
    """Memory that the pixels of pictures take."""
    arrays = {id(array): array.nbytes for p in pictures for array in (p.pixels, p.model_pixels)}
    return sum(arrays.values())


def pick_pictures() -> list[Picture]:
    """Offer the examples, the upload and the camera, and give back what is to be explained, in the order shown."""
    tray = get_tray()
    _show_slice(tray)
    examples = {picture.name: picture for picture in bundled_pictures()}
    names = get_names()
    items = [GalleryItem(digest, tray.name(digest, names), tray.thumbnails[digest], own=True) for digest in tray.own]
    items += [GalleryItem(name, entry.title, _example_thumbnail(name)) for name, entry in examples.items()]
    st.markdown("Pictures")
    gallery(items, tray.shown, "gallery", _press)
    upload = f"upload-{tray.uploads}"
    if not may("scans"):
        st.caption(describe_missing("scans"))
    st.file_uploader(
        "Upload pictures",
        accept_multiple_files=True,
        key=upload,
        on_change=_take_uploads,
        args=(upload,),
        max_upload_size=_MOST_UPLOADED,
        help=f"{READABLE}; of scans, all DICOM files of a series at once, their folder dropped here, a zip of it, or "
        "a NIfTI file. They stay in the memory of the machine that runs CAMscope and are never written to a disk.",
    )
    follow_opening()
    pick_slice()
    pick_prior()
    for problem in tray.problems:
        st.error(problem)
    for note in tray.notes:
        st.info(note)
    dropdown(
        "Names of your files",
        get_args(Names),
        names,
        "names-widget",
        _choose_names,
        format_func=NAME_MODES.__getitem__,
        help="A file's name may be a patient's. A hidden one stands in no heading, figure or manifest, nor on a slide: "
        "the picture is called by its number and a part of its digest.",
        filter_mode=None,
    )
    if st.toggle("Use the camera", key="camera-on"):
        st.camera_input("Take a photo", key="camera", on_change=_take_photo, label_visibility="collapsed")
    order = list_keys()
    shown = sorted((key for key in tray.shown if key in tray.own or key in examples), key=order.index)
    return [_give(key) for key in shown]


def get_names() -> Names:
    """Whose file names are hidden in this session."""
    return st.session_state.get(NAMES, "auto")


def _give(key: str) -> Picture:
    tray = get_tray()
    return tray.give(key, get_names()) if key in tray.own else _read_example(key)


def list_keys() -> list[str]:
    """Keys of all pictures at hand, in the order in which they are offered."""
    return [*get_tray().own, *(picture.name for picture in bundled_pictures())]


def list_pictures() -> dict[str, Picture]:
    """All pictures at hand, by numbered names, because two files may have the same name."""
    found = map(_give, list_keys())
    return {f"{number} · {picture.name}": picture for number, picture in enumerate(found, start=1)}


def find_first_picture() -> Picture:
    """The first picture shown; the first example where none is."""
    tray = get_tray()
    shown = [key for key in list_keys() if key in tray.shown]
    key = shown[0] if shown else bundled_pictures()[0].name
    return tray.own[key] if key in tray.own else _read_example(key)


@cache
def read_example_digests() -> dict[str, str]:
    """The digest of every example by its name, in the order in which they are offered."""
    return {entry.name: hashlib.sha256(entry.path.read_bytes()).hexdigest() for entry in bundled_pictures()}


def get_tray() -> Tray:
    """This session's pictures."""
    if "tray" not in st.session_state:
        st.session_state["tray"] = Tray()
    tray: Tray = st.session_state["tray"]
    find_holdings().touch(tray)
    return tray


def _press(pressed: Pressed) -> None:
    tray = get_tray()
    if pressed.action == "only":
        tray.show_only(pressed.key)
    elif pressed.action == "toggle":
        tray.toggle(pressed.key)
    else:
        tray.remove(pressed.key)


def _choose_names(names: Names) -> None:
    st.session_state[NAMES] = names
    tray = get_tray()
    tray.problems, tray.notes = [], []  # they call files by their names


def _take_uploads(key: str) -> None:
    tray = get_tray()
    # A part of the page that runs by itself announces an upload once more, as long as the browser has the old field.
    files = [file for file in st.session_state.get(key) or () if file.file_id not in tray.read]
    if not files:
        return
    tray.read |= {file.file_id for file in files}
    tray.uploads += 1
    given = take_over(files)
    scans = [file for file in given if _looks_like_scan(file[1])]
    if are_series([data for _, data in scans]):
        get_scans().waiting = scans
        given = [file for file in given if file not in scans]
    tray.take(given, get_names())


def _looks_like_scan(data: bytes) -> bool:
    from explain.volumes.nifti import is_nifti

    return data.startswith(ZIP) or _looks_like_dicom(data) or is_nifti(data)


def _show_slice(tray: Tray) -> None:
    """Look into scans that were uploaded, and keep the chosen slice of the open series among the pictures."""
    open_scans()
    opened = take_opened()
    if opened is not None:
        _take_scans(tray, opened)
    scans = get_scans()
    if scans.shown and scans.shown not in tray.own:
        scans.close()
    _put_slice(tray)
    open_prior()
    put_prior(tray)


def _take_scans(tray: Tray, opened: Opening) -> None:
    """Make what was opened the session's scans, and the pictures beside it some of its pictures."""
    scans = get_scans()
    try:
        found, alone = opened.work.result()
    except Cancelled:
        scans.problems = ["Opening was stopped. Nothing was changed."]
        return
    if alone is None:
        tray.take(opened.files, get_names())
    if found.volume is None:
        scans.problems = found.problems
    else:
        # Another series of the same files takes the place of the slice that is shown; one of others stands beside it.
        found.shown = "" if opened.files else scans.shown
        if opened.files and scans.volume is not None:
            found.former, found.left = scans.volume, scans.shown
        else:
            found.former, found.left = scans.former, scans.left
        set_scans(found)
        _put_slice(tray)
    for picture in alone or ():
        if len(tray.own) < read_quotas().pictures:
            tray.put(picture, show=found.volume is None)
    zipped = any(data.startswith(ZIP) for _, data in opened.files)
    if found.volume is None and not alone and zipped and may("collections"):
        tray.notes.append("A zip of pictures goes to *Explain all*, below the maps on Compare.")


def _put_slice(tray: Tray) -> None:
    scans = get_scans()
    if scans.volume is None:
        return
    try:
        picture = scans.draw()
    except PictureError as error:
        scans.problems = [str(error)]
        return
    tray.put(picture, scans.shown)
    scans.shown = picture.digest


def _take_photo() -> None:
    photo = st.session_state["camera"]
    for _, data in take_over([] if photo is None else [photo]):
        tray = get_tray()
        tray.photos += 1
        tray.take([(f"Photo {tray.photos}", data)], get_names())


def _looks_like_dicom(data: bytes) -> bool:
    from explain.pictures.dicom import is_dicom  # loads pydicom, which the page is painted without

    return is_dicom(data)


@st.cache_resource(show_spinner=False)
def _read_example(name: str) -> Picture:
    entry = next(entry for entry in bundled_pictures() if entry.name == name)
    return decode(entry.path.read_bytes(), entry.title)


@st.cache_resource(show_spinner=False)
def _example_thumbnail(name: str) -> str:
    return make_thumbnail(_read_example(name))


def make_thumbnail(picture: Picture) -> str:
    """The middle of a picture as a small square JPEG, as a data address."""
    pixels = picture.pixels
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = cv2.resize(
        pixels[top : top + side, left : left + side], (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA
    )
    encoded = cv2.imencode(".jpg", square[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
