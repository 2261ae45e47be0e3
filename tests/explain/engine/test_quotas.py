"""Quotas are set by the environment, and a value that none can have is a sentence."""

import re

import pytest

from explain.engine.engine import Engine
from explain.engine.quotas import Quotas, read_quotas
from explain.errors import ExplainError
from explain.storage import PROGRAM


def test_what_is_not_set_keeps_its_default() -> None:
    assert read_quotas({}) == Quotas()
    found = read_quotas({"CAMSCOPE_QUEUE_LENGTH": "8", "CAMSCOPE_DECODED_SHARE": " 0.25 ", "CAMSCOPE_SLOTS": ""})
    assert (found.queue_length, found.decoded_share, found.slots) == (8, 0.25, 0)
    assert found.run_seconds == 300


def test_the_defaults_are_those_that_were_chosen_for_a_department() -> None:
    """Each is felt in a test of its own, mostly in test_admission.py and in tests/components."""
    found = Quotas()
    assert (found.decoded_mb, found.decoded_share, found.pictures) == (512, 0.4, 24)
    assert (found.picture_mb, found.passes_a_minute) == (100, 600)
    assert (found.queue_length, found.queue_seconds, found.run_seconds) == (64, 60, 300)
    assert (found.idle_captures_seconds, found.idle_pictures_seconds) == (600, 1200)


def test_the_page_for_those_who_run_a_server_lists_every_quota() -> None:
    page = (PROGRAM / ".deploy" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `CAMSCOPE_(\w+)` \| .*: ([\d.]+) \|$", page, re.MULTILINE)
    assert [(name.lower(), float(value)) for name, value in listed] == list(Quotas().model_dump().items())


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
