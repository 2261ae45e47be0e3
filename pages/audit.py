"""Audit: who did what, for those who may know; see `components/access/audit.py`."""

from __future__ import annotations

import streamlit as st

from components.access.audit import Chain, find_audit
from components.page.subject import show_plain_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.gate import is_refused
from components.session.work import Place, Work
from explain.progress import Watch
from explain.rights import for_actor

_SHOWN = 1_000


@show_faults
def show_page() -> None:
    """Whether the log is whole, its last lines, and the file to take along."""
    show_plain_heading("Audit")
    if is_refused("audit"):
        return
    audit = find_audit()
    st.markdown(
        "Who did what, when, to which picture and with which model. People and pictures stand here as keyed digests: "
        "the same one is the same, and no name of a person or a file is kept. Lines of nobody are the server's own."
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
            [{name: value for name, value in line.items() if name != "chain"} for line in lines],
            hide_index=True,
            width="stretch",
            column_config={
                "number": st.column_config.NumberColumn("Line", format="localized", width="small"),
                "time": "Time (UTC)",
                "user": "Who",
                "action": "What",
                "picture": "Picture",
                "model": "Model",
                "result": "Result",
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
        st.success(f"{chain.lines:,} {verb} from each other, from the first to the last.", icon=":material/link:")
    else:
        st.info("Nothing has been written yet.", icon=":material/hourglass_empty:")


if __name__ == "__main__":
    go_through_front_door(__file__)
