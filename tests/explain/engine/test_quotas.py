"""Quotas are set by the environment, and a value that none can have is a sentence."""

import pytest

from explain.engine.engine import Engine
from explain.engine.quotas import Quotas, read_quotas
from explain.errors import ExplainError


def test_what_is_not_set_keeps_its_default() -> None:
    assert read_quotas({}) == Quotas()
    found = read_quotas({"CAMSCOPE_QUEUE_LENGTH": "8", "CAMSCOPE_DECODED_SHARE": " 0.25 ", "CAMSCOPE_SLOTS": ""})
    assert (found.queue_length, found.decoded_share, found.slots) == (8, 0.25, 0)
    assert found.run_seconds == 300


@pytest.mark.parametrize(
    ("name", "value"), [("QUEUE_LENGTH", "0"), ("SLOTS", "two"), ("DECODED_SHARE", "40"), ("PICTURES", "-1")]
)
def test_a_value_that_cannot_be_is_refused_by_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(ExplainError, match=f"CAMSCOPE_{name} cannot be “{value}”: .+ Change it, or leave it out."):
        read_quotas({f"CAMSCOPE_{name}": value})


def test_the_engine_takes_them_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_SLOTS", "3")
    assert Engine("cpu").admission.line.slots == 3
    monkeypatch.delenv("CAMSCOPE_SLOTS")
    assert Engine("cpu").admission.line.slots >= 1
