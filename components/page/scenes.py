"""A playlist for an audience: views with titles, in order, kept in the session, and taken along as a file.

A scene is an address of this app and nothing else: a page and the words of a link, which are read as any link's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlencode

import streamlit as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from components.page.link import Words, use_words, write_words
from components.session.carried import get_page

MOST_SCENES = 100
MOST_BYTES = 2**20
_LONGEST_TITLE = 120
_LONGEST_ADDRESS = 8_000
_MOST_WORDS = 400
_PAGES: Mapping[str, str] = {
    "": "Compare",
    "layers": "Layers",
    "clusters": "Clusters",
    "without_it": "Without it",
    "collection": "Collection",
    "studio": "Studio",
    "truth": "Truth",
    "methods": "Methods",
}
"""The pages that a link shows something on, by address."""

_SCENES = "scenes"
_AT = "scene-at"
_TURNING = "scene-page"
_PROBLEM = "scenes-problem"
_FILE = "scenes-file"
_FILES = "scenes-files"


def _check_title(title: str) -> str:
    if not title.isprintable():
        raise ValueError("a title is one line of text")
    return title


def _check_address(address: str) -> str:
    page, _, query = address.partition("?")
    if page not in _PAGES:
        raise ValueError("there is no such page")
    if not address.isprintable() or "#" in address:
        raise ValueError("this is no address of a view")
    parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_WORDS)
    return address


class Scene(BaseModel):
    """One view with its title. The address begins with the page: `layers?picture=…`, or `?picture=…` on Compare."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(max_length=_LONGEST_TITLE), AfterValidator(_check_title)]
    address: Annotated[str, Field(max_length=_LONGEST_ADDRESS), AfterValidator(_check_address)]

    @property
    def page(self) -> str:
        """Address of the page."""
        return self.address.partition("?")[0]

    @property
    def words(self) -> Words:
        """The link's words."""
        return parse_qs(self.address.partition("?")[2], keep_blank_values=True)


class Playlist(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    camscope: Literal["scenes"]
    version: Literal[1]
    scenes: Annotated[tuple[Scene, ...], Field(max_length=MOST_SCENES)]


def write_playlist(scenes: Sequence[Scene]) -> bytes:
    """Scenes as a file."""
    return Playlist(camscope="scenes", version=1, scenes=tuple(scenes)).model_dump_json(indent=2).encode()


def read_playlist(data: bytes) -> list[Scene]:
    """The scenes of a file.

    Raises:
        ValueError: it is none of ours; the sentence says why.
    """
    if len(data) > MOST_BYTES:
        raise ValueError("This file is too large for a list of scenes.")
    try:
        return list(Playlist.model_validate_json(data).scenes)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        where = f", at “{place}”" if place else ""
        raise ValueError(f"This is no list of scenes that CAMscope has saved{where}. Nothing was changed.") from error


def list_scenes() -> list[Scene]:
    """The session's scenes, in order."""
    scenes: list[Scene] = st.session_state.setdefault(_SCENES, [])
    return scenes


def add_scene() -> None:
    """Make the present view the last scene."""
    scenes, page = list_scenes(), get_page()
    if len(scenes) >= MOST_SCENES or page not in _PAGES:
        return
    title = f"{_PAGES[page]} {sum(scene.page == page for scene in scenes) + 1}"
    try:
        scenes.append(
            Scene(
                title=title, address=f"{page}?{urlencode(write_words(presented=False), doseq=True)}".removesuffix("?")
            )
        )
    except ValidationError:
        st.session_state[_PROBLEM] = "This view is too long for a scene: show fewer pictures, or fewer names."


def move_scene(at: int, by: int) -> None:
    """Move a scene up (-1) or down (1)."""
    scenes = list_scenes()
    if 0 <= at + by < len(scenes):
        scenes[at], scenes[at + by] = scenes[at + by], scenes[at]


def delete_scene(at: int) -> None:
    """Forget a scene."""
    del list_scenes()[at]


def turn_scene(by: int) -> None:
    """Show the next scene (1) or the one before (-1); from the last on to the first."""
    scenes = list_scenes()
    if scenes:
        at = st.session_state.get(_AT, -1 if by > 0 else 0)
        show_scene((at + by) % len(scenes))


def show_scene(at: int) -> None:
    """Choose what a scene shows. Whether the page is presented stays as it is."""
    scene = list_scenes()[at]
    st.session_state[_AT] = at
    st.session_state[_TURNING] = scene.page
    use_words(scene.words)


def turn_page() -> None:
    """Go to the page of the scene that was just chosen, where it is another one."""
    page = st.session_state.pop(_TURNING, None)
    if page is not None and page != get_page():
        st.switch_page(st.Page(lambda: None, title=_PAGES[page], url_path=page or "start", default=not page))


def offer_scenes() -> None:
    """The list, behind a button: show, name, order and delete scenes, add the present view, save and open."""
    scenes = list_scenes()
    with st.popover("Scenes", icon=":material/slideshow:", help="Views in an order, for presenting", width="content"):
        if not scenes:
            st.caption("A scene is a view with a title. While presenting, n shows the next, with Shift the one before.")
        for at, scene in enumerate(scenes):
            _show_line(at, scene)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Add this view",
                key="scene-add",
                icon=":material/add:",
                on_click=add_scene,
                disabled=len(scenes) >= MOST_SCENES,
            )
            st.download_button(
                "Save",
                lambda: write_playlist(scenes),  # asked for outside of the session, whose state is not there
                "scenes.json",
                "application/json",
                key="scenes-save",
                icon=":material/download:",
                on_click="ignore",
                disabled=not scenes,
                help="The list as a file: titles and links, no pictures and no names of files.",
            )
        st.file_uploader(
            "Open a saved list",
            type="json",
            key=f"{_FILE}-{st.session_state.get(_FILES, 0)}",
            on_change=_open_file,
            max_upload_size=1,
            help="Its scenes come after those here. Pictures of your own are asked for as they are shown.",
        )
        problem = st.session_state.pop(_PROBLEM, None)
        if problem:
            st.warning(problem, icon=":material/error:")


def _show_line(at: int, scene: Scene) -> None:
    # What the buttons say is for those who do not see their icons: assets/style.css.
    with st.container(key=f"scene-line-{at}", horizontal=True, gap="small", vertical_alignment="center"):
        key = f"scene-title-{at}"
        st.session_state[key] = scene.title
        st.text_input(
            f"Title of scene {at + 1}",
            key=key,
            max_chars=_LONGEST_TITLE,
            label_visibility="collapsed",
            width=220,
            on_change=lambda: _name_scene(at, st.session_state[key]),
        )
        for name, icon, act in (
            ("Show", "play_arrow", lambda: show_scene(at)),
            ("Move up", "arrow_upward", lambda: move_scene(at, -1)),
            ("Move down", "arrow_downward", lambda: move_scene(at, 1)),
            ("Delete", "delete", lambda: delete_scene(at)),
        ):
            st.button(
                f"{name} scene {at + 1}",
                key=f"scene-{icon}-{at}",
                icon=f":material/{icon}:",
                help=name,
                on_click=act,
                type="tertiary",
            )


def _name_scene(at: int, title: str) -> None:
    scenes = list_scenes()
    if title.strip() and title.isprintable():
        scenes[at] = scenes[at].model_copy(update={"title": title.strip()})


def _open_file() -> None:
    files = st.session_state.get(_FILES, 0)
    file = st.session_state.get(f"{_FILE}-{files}")
    if file is None:
        return
    st.session_state[_FILES] = files + 1  # the field is empty again: the list stands above it
    try:
        opened = read_playlist(file.getvalue())
    except ValueError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    scenes = list_scenes()
    room = MOST_SCENES - len(scenes)
    scenes += opened[:room]
    if len(opened) > room:
        st.session_state[_PROBLEM] = (
            f"There is room for {MOST_SCENES} scenes: the last {len(opened) - room} were left out."
        )
