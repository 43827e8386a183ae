"""The two protocols, told apart: who is trained on, who is tested."""

import pytest

from mriad_model.built_in_recipes import SEED, VOLUME_AUTOENCODER
from mriad_model.enums import LabelValue
from mriad_model.errors import (
    SettingsError,
)
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    require_protocol,
    select,
    split,
)
from tests.support.evaluations import HELDOUT, MEMORY, SMALL, data_of, gather, image_of


def test_heldout_never_lets_a_test_or_calibration_image_into_training() -> None:
    data = data_of()
    plan = EvaluationPlan(HELDOUT, repeats=2)
    chosen = select(data, HELDOUT)
    for repeat in range(2):
        tested: list[int] = []
        for fold in range(5):
            parts = split(data, chosen, plan, (repeat, fold))
            roles = [set(part) for part in (parts.train, parts.validation, parts.calibration)]
            tested += parts.test
            assert all(roles)
            assert sum(map(len, roles)) + len(parts.test) == 20
            assert set.union(*roles, set(parts.test)) == set(chosen.healthy)
        assert sorted(tested) == list(chosen.healthy)


def test_heldout_counts_one_image_a_twin_group_and_says_how_many_it_folds_away() -> None:
    healthy = [image_of(n, LabelValue.HEALTHY, group=n // 2) for n in range(6)]
    odd = [image_of(50, LabelValue.HEALTHY, group=99), image_of(150, LabelValue.ABNORMAL, group=99)]
    data = gather([*healthy, *odd, image_of(160, LabelValue.ABNORMAL)], SMALL)
    chosen = select(data, HELDOUT)
    assert chosen.healthy == (0, 2, 4)
    assert chosen.abnormal == (8,)
    assert (chosen.n_folded_away, chosen.n_contradictory) == (3, 2)


def test_the_seed_protocol_is_refused_for_volumes() -> None:
    require_protocol(MEMORY, SEED)
    require_protocol(HELDOUT, VOLUME_AUTOENCODER)
    with pytest.raises(SettingsError, match="--protocol heldout"):
        require_protocol(MEMORY, VOLUME_AUTOENCODER)
