"""Studio: train class prompts or attention, look through them, collect what they look at, and put them to the test."""

from __future__ import annotations

from components.page.link import show_link_notes
from components.page.subject import show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place
from components.studio.views import pick_view
from pages.studio_views import attention, eyes, gallery, surgery, train


@show_faults
def show_page() -> None:
    """One of five views."""
    show_heading("Studio", named=False)
    show_link_notes()
    view = pick_view()
    body = Place("body")
    {"train": train, "attention": attention, "eyes": eyes, "gallery": gallery, "surgery": surgery}[view].show_view(body)


if __name__ == "__main__":
    go_through_front_door(__file__)
