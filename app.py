"""CAMscope's front door: `streamlit run app.py`. Page configuration and navigation, nothing else."""

import os

# Read once, when torch is first imported: spinning OpenMP threads beside a browser slow everything tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"

# A picture of our own: Streamlit would fetch a named icon for the browser's tab from another host.
st.set_page_config(page_title="CAMscope", page_icon=ASSETS / "icon.png", layout="wide", initial_sidebar_state=310)
st.html(ASSETS / "style.css")
page = st.navigation(
    [
        st.Page("pages/compare.py", title="Compare", icon=":material/compare:", default=True),
        st.Page("pages/methods.py", title="Methods", icon=":material/menu_book:"),
        st.Page("pages/models.py", title="Models", icon=":material/deployed_code:"),
    ],
    position="top",
)
page.run()
