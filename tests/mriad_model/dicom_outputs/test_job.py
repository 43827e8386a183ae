"""What a decision has to hold."""

from datetime import datetime

import pytest

highdicom = pytest.importorskip("highdicom")


@pytest.mark.parametrize("change", [{"score": float("nan")}, {"decided_at": datetime(2026, 3, 5)}])
def test_a_decision_without_a_number_or_a_time_zone_is_none(change, series, decisions):
    series.classic()
    with pytest.raises(ValueError, match=r"finite|time zone"):
        decisions.job(**change)
