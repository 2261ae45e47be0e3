"""CAMscope's front door: `streamlit run app.py`. The server, page configuration and navigation, nothing else."""

from pathlib import Path

import streamlit as st

from components.browser.line import watch_line
from components.server.routes import list_routes
from components.server.start import list_middleware
from components.session.batches import draw_what_was_pressed, keep_where_people_go
from components.session.carried import carry_choices
from components.session.engine import make_way, start_with_server
from components.session.faults import guard_callbacks, guard_downloads, show_faults
from components.session.gate import check_in
from components.session.reconnect import keep_sessions
from explain.rights import find_actor

ASSETS = Path(__file__).parent / "assets"
ABOUT = """**CAMscope** shows where an image model looks. Not for diagnostic use: a heatmap shows what a model responds
to, not whether it is right.

Keys: `p` presents, `t` changes the theme, and `?` in the grid of maps lists all of them."""


def compare() -> None:
    from pages.compare import show_page

    show_page()


def layers() -> None:
    from pages.layers import show_page

    show_page()


def clusters() -> None:
    from pages.clusters import show_page

    show_page()


def without_it() -> None:
    from pages.without_it import show_page

    show_page()


def collection() -> None:
    from pages.collection import show_page

    show_page()


def studio() -> None:
    from pages.studio import show_page

    show_page()


def truth() -> None:
    from pages.truth import show_page

    show_page()


def methods() -> None:
    from pages.methods import show_page

    show_page()


def models() -> None:
    from pages.models import show_page

    show_page()


def audit() -> None:
    from pages.audit import show_page

    show_page()


def show_app() -> None:
    """What Streamlit runs for each visitor, and again after each click."""
    make_way()
    # A picture of our own: Streamlit would fetch a named icon for the browser's tab from another host.
    # An “About” of our own brings Streamlit's menu, in which the theme is chosen.
    st.set_page_config(
        page_title="CAMscope",
        page_icon=ASSETS / "icon.png",
        layout="wide",
        initial_sidebar_state=310,
        menu_items={"About": ABOUT},
    )
    st.html(ASSETS / "style.css")
    keep_sessions()
    guard_callbacks()
    guard_downloads()
    draw_what_was_pressed()
    keep_where_people_go()
    check_in()
    actor = find_actor()  # None where nobody logs in: there is no audit log then
    page = st.navigation(
        [
            # An address that is no file's name in pages/: see components/session/front_door.py.
            st.Page(compare, title="Compare", icon=":material/compare:", default=True, url_path="start"),
            st.Page(layers, title="Layers", icon=":material/layers:"),
            st.Page(clusters, title="Clusters", icon=":material/bubble_chart:"),
            st.Page(without_it, title="Without it", icon=":material/content_cut:"),
            st.Page(collection, title="Collection", icon=":material/grid_view:"),
            st.Page(studio, title="Studio", icon=":material/school:"),
            st.Page(truth, title="Truth", icon=":material/balance:"),
            st.Page(methods, title="Methods", icon=":material/menu_book:"),
            st.Page(models, title="Models", icon=":material/deployed_code:"),
            *([st.Page(audit, title="Audit", icon=":material/policy:")] if actor and "audit" in actor.rights else []),
        ],
        position="top",
    )
    carry_choices(page.url_path)
    watch_line()
    show_faults(page.run)()


if __name__ == "__main__":
    show_app()
else:
    # `streamlit run` finds this by its form, and imports it once, when the server starts.
    app = st.App(__file__, lifespan=start_with_server, middleware=list_middleware(), routes=list_routes())
