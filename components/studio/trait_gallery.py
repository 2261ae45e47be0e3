"""A class's field guide on the page: where its pictures come from, and the crops of each head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.choices.pictures import get_tray
from components.maps.frames import encode_address
from components.words import format_share
from explain.bundled.pictures import bundled_pictures
from explain.datasets.dataset import DataSet
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.traits.gallery import Crop, Gallery

SOURCE = "gallery-source"
CROPS = "gallery-crops"
FIRST_CROPS, MOST_CROPS = 6, 12
MOST_PICTURES = 200
"""Looked at for one gallery."""

SAMPLE_BIRDS = 40

_CROP_WIDTH = 124


@dataclass(frozen=True)
class Album:
    """Pictures of one class.

    Attributes:
        key: unique among the albums.
        title: where they come from.
        count: how many there are.
        read: gives them one after the other, so that not all are in memory.
    """

    key: str
    title: str
    count: int
    read: Callable[[], Iterator[Picture]]


def list_albums(label: str, trained_on: DataSet | None) -> list[Album]:
    """Where there are pictures of a class: the set that the prompts were trained on, drawn birds, pictures at hand.

    Args:
        label: name of the class.
        trained_on: the pictures of the training in view.
    """
    albums = []
    if trained_on is not None and label in trained_on.labels:
        index = trained_on.labels.index(label)
        examples = [example for example in trained_on.examples if example.label == index][:MOST_PICTURES]
        read = lambda: (decode(example.data, example.name) for example in examples)  # noqa: E731
        albums.append(Album("set", f"The training's own ({len(examples)})", len(examples), read))
    from explain.bundled.birds.species import SPECIES

    if label in {species.name for species in SPECIES}:
        albums.append(Album("birds", f"Drawn birds ({SAMPLE_BIRDS})", SAMPLE_BIRDS, lambda: _draw_birds(label)))
    own = [*get_tray().own.values()]
    bundled = [entry for entry in bundled_pictures() if label in entry.classes]
    if own or bundled:
        count = len(own) + len(bundled)

        def read_at_hand() -> Iterator[Picture]:
            yield from own
            for entry in bundled:
                yield decode(entry.path.read_bytes(), entry.path.name)

        albums.append(Album("hand", f"Bundled ones of this class and your own ({count})", count, read_at_hand))
    return albums


def _draw_birds(species: str) -> Iterator[Picture]:
    from components.studio.dataset import draw_bird_files

    for name, data in draw_bird_files([species], SAMPLE_BIRDS, first_seed=10_000):
        yield decode(data, name.rsplit("/", 1)[-1])


def pick_album(albums: list[Album]) -> Album:
    """Offer the albums; the first is taken where none was chosen."""
    keys = [album.key for album in albums]
    if st.session_state.get(SOURCE) not in keys:
        st.session_state[SOURCE] = keys[0]
    key = st.selectbox(
        "Pictures",
        keys,
        key=SOURCE,
        format_func=lambda key: albums[keys.index(key)].title,
        help="In which pictures of the class to look for what each head looks at most.",
        persist_state="session",
        filter_mode=None,
        width=300,
    )
    return albums[keys.index(key)]


def pick_crops() -> int:
    """Offer how many crops each head shows."""
    st.session_state.setdefault(CROPS, FIRST_CROPS)
    return st.slider(
        "Crops of each",
        2,
        MOST_CROPS,
        key=CROPS,
        persist_state="session",
        width=200,
        help="Cut out around the place each head looks at most, from the pictures in which it looks there most.",
    )


def show_gallery(gallery: Gallery) -> None:
    """A strip of crops for each head, and the field guide to take along."""
    share = f"{gallery.right} of them named rightly" if gallery.right < gallery.pictures else "all named rightly"
    st.caption(
        f"{gallery.pictures} pictures of “{gallery.label}”, {share}. The heads are in the order of their mean rank "
        f"over all of them; of {gallery.heads} heads, the first {len(gallery.traits)} are shown."
    )
    for rank, trait in enumerate(gallery.traits, start=1):
        st.markdown(f"**Trait {rank} · head {trait.head + 1}** · mean rank {trait.mean_rank:.1f} of {gallery.heads}")
        items = [_build_card(crop, number) for number, crop in enumerate(trait.crops)]
        cards(items, f"gallery-{rank}", f"Trait {rank}: crops", width=_CROP_WIDTH)
    with st.container(key="gallery-downloads", horizontal=True, gap="small"):
        st.download_button(
            "Field guide (PNG)",
            gallery.to_png,
            f"{_name_file(gallery.label)}.png",
            "image/png",
            key="gallery-png",
            on_click="ignore",
            icon=":material/image:",
            help="All crops on one sheet, with what must be said of them.",
        )
        st.download_button(
            "Every crop (ZIP)",
            gallery.to_zip,
            f"{_name_file(gallery.label)}.zip",
            "application/zip",
            key="gallery-zip",
            on_click="ignore",
            icon=":material/folder_zip:",
            help="The sheet, every crop as PNG, and where each comes from as JSON.",
        )


def _build_card(crop: Crop, number: int) -> Card:
    lines = [f"Attention {format_share(crop.attention)}", f"Class {format_share(crop.probability)}"]
    if not crop.right:
        lines.append("Taken for another class")
    mark = crop.place.find_share(crop.peak)
    frame = Frame(encode_address(crop.pixels), f"Part of {crop.name} at the place looked at most", mark=mark)
    return Card(str(number), crop.name, lines, [frame])


def _name_file(label: str) -> str:
    """A class's name fit for a file's."""
    return "".join(letter if letter.isalnum() else "-" for letter in label).strip("-").lower()[:60] or "class"
