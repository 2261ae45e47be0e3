"""A drawn bird: whoever picks one is told, in its row's heading, which model knows it."""

from __future__ import annotations

from typing import Any


def use_the_one_that_knows_it(dashboard: Any) -> None:
    """Press the button on a page where it is no part of the canvas, which a test without a browser cannot press."""
    dashboard.turn_to("layers")
    dashboard.test.button(key="caution-use-0").click().run()
    assert not dashboard.test.exception
    assert "caution-use-0" not in {button.key for button in dashboard.test.button}
    dashboard.turn_to("start")


def test_a_bird_offers_the_model_that_knows_it(dashboard: Any) -> None:
    assert (dashboard.rows[0]["caution"], dashboard.rows[0]["remedy"]) == ("", None)
    dashboard.test.session_state["tray"].show_only("crested-finch")
    dashboard.test.run()
    assert not dashboard.test.exception
    assert dashboard.rows[0]["caution"].startswith("This looks like a drawing. photo-cnn knows photographs")
    assert dashboard.rows[0]["remedy"] == ["Use birds-vit, which knows it", "caution:birds-vit"]
    use_the_one_that_knows_it(dashboard)
    assert dashboard.test.selectbox(key="bundled").value == "birds-vit"
    assert dashboard.rows[0]["caution"] == ""
    best = dashboard.pane("picture")["choices"][0]
    assert best["chosen"] and "crested finch" in str(best)
    assert dashboard.values("prompt-cam").shape == (12, 12)


def test_a_photograph_leads_back_from_the_birds(dashboard: Any) -> None:
    dashboard.test.selectbox(key="bundled").select("birds-vit").run()
    assert "not photographs" in dashboard.rows[0]["caution"]
    use_the_one_that_knows_it(dashboard)
    assert dashboard.test.selectbox(key="bundled").value == "photo-vit"
    assert dashboard.rows[0]["caution"] == ""


def test_beside_each_other_each_model_says_for_itself_what_it_does_not_know(dashboard: Any) -> None:
    dashboard.pick("methods-front", ["grad-cam"])
    dashboard.pick("compare-by", "models")
    dashboard.test.multiselect(key="compare-with").set_value(["photo-cnn", "birds-cnn"]).run()
    (row,) = dashboard.rows
    warnings = {pane["key"]: pane["warnings"] for pane in row["panes"]}
    assert row["caution"] == "" and not any("knows" in warning for warning in warnings["photo-cnn"])
    assert "not photographs" in warnings["birds-cnn"][0]
