"""What a browser says of a widget that is no longer there."""

from __future__ import annotations

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox


def note(listed: Selectbox[str]) -> WidgetState:
    """What a browser says of a list that it shows."""
    return listed._widget_state


def say_late(app: AppTest, said: WidgetState) -> None:
    """Run the page as after a message that says of a list what stood in it, whether the page still has it or not."""
    message = app._tree.get_widget_states()
    message.widgets.append(said)
    app._run(message)
