"""A drawn bird on the Compare page: whoever picks one is told which model knows it."""

from __future__ import annotations

from typing import Any


def test_a_bird_offers_the_model_that_knows_it(dashboard: Any) -> None:
    offered = {button.key for button in dashboard.test.button}
    assert "model-for-examples" not in offered
    dashboard.test.session_state["tray"].show_only("crested-finch")
    dashboard.test.run()
    assert not dashboard.test.exception
    dashboard.test.button(key="model-for-examples").click().run()
    assert not dashboard.test.exception
    assert dashboard.test.selectbox(key="bundled").value == "birds-vit"
    assert "model-for-examples" not in {button.key for button in dashboard.test.button}
    best = dashboard.pane("picture")["choices"][0]
    assert best["chosen"] and "crested finch" in str(best)
    assert dashboard.values("prompt-cam").shape == (12, 12)


def test_a_photograph_leads_back_from_the_birds(dashboard: Any) -> None:
    dashboard.test.selectbox(key="bundled").select("birds-vit").run()
    dashboard.test.button(key="model-for-examples").click().run()
    assert not dashboard.test.exception
    assert dashboard.test.selectbox(key="bundled").value == "photo-vit"
    assert "model-for-examples" not in {button.key for button in dashboard.test.button}
