"""The table that the page shows is the benchmark's, and says what it rests on."""

import pytest

from explain.worlds.shortcuts import Shortcuts, read_shortcuts
from explain.worlds.worlds import PLANS


@pytest.fixture
def table() -> Shortcuts:
    found = read_shortcuts()
    if found is None:
        pytest.skip("the table has not been measured yet")
    return found


def test_the_table_is_the_benchmarks_and_counts_what_it_rests_on(table: Shortcuts) -> None:
    assert table.made_by == "python -m benchmarks.verdict --only shortcuts"
    assert [row.mark for row in table.caught] == [plan.mark for plan in PLANS]
    methods = [*table.false_alarms]
    for row in table.caught:
        assert [*row.methods] == methods
    for figures in (*(row.methods for row in table.caught), table.false_alarms, *table.false_alarms_of.values()):
        for figure in figures.values():
            low, high = figure.interval
            assert 0 <= low <= figure.share + 1e-12 and figure.share <= high + 1e-12 <= 1 + 1e-9 and figure.there <= 1
            assert figure.pictures > figure.networks > 0
            # Wilson's interval of the share and the count, anew.
            z, n, p = 1.959964, figure.pictures, figure.share
            half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
            assert low == pytest.approx((p + z * z / (2 * n) - half) / (1 + z * z / n), abs=1e-6)
