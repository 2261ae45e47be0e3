"""Collection: a run over many pictures, filtered, sorted and laid out by its maps."""

from __future__ import annotations

import streamlit as st

from components.choices.view import pick_one, pick_one_view
from components.collections.choosing import (
    Opened,
    describe_figure,
    pick_filter,
    pick_method,
    pick_order,
    pick_run,
)
from components.collections.comparison import pick_compared, show_comparison
from components.collections.scatter import offer_all, show_scatter
from components.collections.strategies import pick_class, show_strategies
from components.collections.views import COLOUR, COLOURED, VIEW, VIEWS
from components.collections.wall import ON_A_PAGE, OPENING, show_wall, turn_pages
from components.page.link import keep_link, show_link_notes
from components.page.subject import show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door, open_page
from components.session.gate import is_refused
from explain.collections.filtering import find_rows, order_rows


@show_faults
def show_page() -> None:
    """A run in one of the views."""
    if st.session_state.pop(OPENING, False):
        open_page("start")
    show_heading("Collection", named=False)
    show_link_notes()
    if is_refused("collections"):
        return
    with st.sidebar:
        run = pick_run()
    if run is None:
        keep_link()
        return
    _show(run)


def _show(run: Opened) -> None:
    view = pick_one_view(VIEW, VIEWS)
    with st.sidebar:
        # Of a lasso round some maps that are alike there are no strategies.
        wanted = pick_filter(run.table, lasso=view != "strategies")
    rows = find_rows(run.table, wanted)
    with st.container(key="collection-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        if view == "comparison":
            compared = pick_compared(run)
        else:
            method = pick_method(run.table)
        if view == "strategies":
            target = pick_class(run)
        elif view == "pictures":
            column, descending = pick_order(run.table)
        elif view == "map-of-maps":
            colour = pick_one("Coloured by", COLOUR, COLOURED)
    if view == "strategies":
        keep_link()
        show_strategies(run, method, target, wanted)
        return
    with st.container(key="collection-count", horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(f"**{len(rows):,}** of {len(run.table):,} pictures", width="content")
        offer_all(run)
        page = turn_pages(len(rows)) if view == "pictures" else 0
    keep_link()
    if not len(rows):
        st.info("No picture of the run is like that. Choose less on the left.", icon=":material/filter_alt_off:")
    elif view == "comparison":
        show_comparison(run, rows, compared)
    elif view == "pictures":
        shown = order_rows(run.table, rows, column, descending, page * ON_A_PAGE, ON_A_PAGE)
        show_wall(run, shown.tolist(), method, (column, describe_figure(run.table, column)))
    else:
        show_scatter(run, rows, method, colour)


if __name__ == "__main__":
    go_through_front_door(__file__)
