"""Audit: who did what, for those who may know; see `components/access/audit.py`."""

from __future__ import annotations

import streamlit as st

from components.access.audit import Chain, find_audit
from components.page.subject import show_plain_heading
from components.server.settings import read_server_settings
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.gate import is_refused
from components.session.work import Place, Work
from explain.progress import Watch
from explain.rights import for_actor

_SHOWN = 1_000
_BOUND = ("chain", "before", "to")  # what binds lines and files to each other


@show_faults
def show_page() -> None:
    """Whether the log is whole, its last lines, and the file to take along."""
    show_plain_heading("Audit")
    if is_refused("audit"):
        return
    audit = find_audit()
    st.markdown(
        "Who did what, when, to which picture and with which model. People and pictures stand here as keyed digests: "
        "the same one is the same, and no name of a person or a file is kept. Lines of nobody are the server's own. "
        f"What is older than {read_server_settings().audit_months:,} months is deleted, and a line says so "
        "(`CAMSCOPE_AUDIT_MONTHS`)."
    )
    place = Place("audit-chain")
    chain = place.watch(
        Work(lambda work: audit.verify(Watch(lambda share, text: work.report(text, share), work.cancel))),
        "Following the chain …",
    )
    with place.container():
        _say_chain(chain)
        lines = audit.read_last(_SHOWN)
        if not lines:
            return
        st.dataframe(
            [{name: value for name, value in line.items() if name not in _BOUND} for line in lines],
            hide_index=True,
            width="stretch",
            column_config={
                "number": st.column_config.NumberColumn("Line", format="localized", width="small"),
                "time": st.column_config.TextColumn("Time (UTC)", width=165),
                "user": st.column_config.TextColumn("Who", width=140),
                "action": st.column_config.TextColumn("What", width=120),
                "picture": st.column_config.TextColumn("Picture", width=140),
                "model": st.column_config.TextColumn("Model", width=200),
                "result": st.column_config.TextColumn("Result", width=80),
            },
        )
        st.download_button(
            "The whole log",
            for_actor(audit.read_file),
            "audit.jsonl",
            "application/jsonl",
            key="audit-file",
            on_click="ignore",
            icon=":material/download:",
            help=f"All lines as they are kept, with what binds each to the one before; above are the last {_SHOWN:,}.",
        )


def _say_chain(chain: Chain) -> None:
    if chain.broken_at is not None:
        st.error(
            f"The log was changed: line {chain.broken_at:,} does not follow from the one before. The {chain.lines:,} "
            "before it do. Keep the file as it is, and find out who could write to the data folder.",
            icon=":material/link_off:",
        )
    elif chain.lines:
        verb = "line follows" if chain.lines == 1 else "lines follow"
        kept = (
            ""
            if chain.first == 1
            else f" The {chain.first - 1:,} before them were deleted when their months were past."
        )
        st.success(f"{chain.lines:,} {verb} from each other, from the first to the last.{kept}", icon=":material/link:")
    else:
        st.info("Nothing has been written yet.", icon=":material/hourglass_empty:")


if __name__ == "__main__":
    go_through_front_door(__file__)
