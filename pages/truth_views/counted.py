"""Truth, How often: over many pictures and trainings, what maps show of a shortcut and what verdicts catch."""

from __future__ import annotations

import streamlit as st

from components.choices.one_method import pick_method
from components.page.link import keep_link
from components.session.faults import show_faults
from components.session.work import Place
from components.truth.counted import describe_making, list_lines, write_table
from explain.methods import get_method
from explain.worlds.shortcuts import Shortcuts, read_shortcuts


def show_view(body: Place) -> None:
    """The plot of a method, and the table of all."""
    table = read_shortcuts()
    keep_link()
    with body.container():
        if table is None:
            st.info("The benchmark's table is not part of this installation.", icon=":material/table:")
        else:
            _show(table)


@st.fragment
@show_faults
def _show(table: Shortcuts) -> None:
    from components.truth.charts import draw_counted

    lines = list_lines(table)
    method = pick_method(list(dict.fromkeys(line.method for line in lines)))
    keep_link()
    st.header(f"{get_method(method).title}: what its map shows, and what the verdict catches", anchor=False)
    figure = draw_counted([line for line in lines if line.method == method])
    st.plotly_chart(figure, key="counted", config={"displayModeBar": False}, width=760)
    st.header("All of it", anchor=False)
    st.markdown(write_table(lines))
    st.caption(describe_making(table))
