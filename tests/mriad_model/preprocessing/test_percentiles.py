"""Percentiles are NumPy's, to the last bit: what a model has learned stands on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriad_model.preprocessing.percentiles import percentile, percentiles, quantiles

DRAWN = st.builds(
    lambda seed, n, whole: (
        np.random.default_rng(seed).integers(0, 256, n).astype(np.float32)
        if whole
        else np.random.default_rng(seed).normal(size=n).astype(np.float32)
    ),
    st.integers(0, 10_000),
    st.integers(1, 700),
    st.booleans(),
)
PERCENTS = st.lists(st.floats(0, 100), min_size=1, max_size=6)


@given(DRAWN, PERCENTS)
def test_they_are_those_of_numpy_to_the_last_bit(values, percents):
    assert percentiles(values, percents).tolist() == np.percentile(values, percents).tolist()
    assert percentile(values, percents[0]) == float(np.percentile(values, percents[0]))
    shares, wide = np.array(percents) / 100, values.astype(np.float64)
    assert quantiles(wide, shares).tolist() == np.quantile(wide, shares).tolist()


def test_a_picture_counts_with_all_its_rows():
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::-1]
    assert percentile(picture, 99) == float(np.percentile(picture, 99))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_number_makes_none():
    assert np.isnan(percentile(np.array([1.0, np.nan, 3.0], np.float32), 50))
