"""What a browser says of a widget that is no longer there."""

from __future__ import annotations

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox, Toggle


def note(shown: Selectbox[str] | Toggle) -> WidgetState:
    """What a browser says of a list or a switch that it shows."""
    return shown._widget_state


def say_late(app: AppTest, said: WidgetState) -> None:
    """Run the page as after a message that says of it what stood in it, whether the page still has it or not."""
    message = app._tree.get_widget_states()
    message.widgets.append(said)
    app._run(message)
