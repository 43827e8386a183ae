"""The two protocols, told apart: who is trained on, who is tested."""

from dataclasses import replace

import pytest

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
from mriad_model.recipes.built_in_recipes import SEED, VOLUME_AUTOENCODER
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


def test_a_patient_with_healthy_and_abnormal_slices_is_on_one_side_alone() -> None:
    """Slices 0 to 19 are healthy, two a patient; 20 to 29 abnormal, of the same patients."""
    images = [image_of(n, LabelValue.HEALTHY, group=n // 2) for n in range(20)]
    images += [image_of(100 + n, LabelValue.ABNORMAL, group=n) for n in range(10)]
    images.append(image_of(150, LabelValue.ABNORMAL, group=99))
    data = gather(images, SMALL)
    data = replace(data, duplicates=tuple(range(len(data))))  # as gathered with patients
    chosen = select(data, HELDOUT)
    assert len(chosen.healthy) == 20
    assert len(chosen.abnormal) == 11
    plan = EvaluationPlan(HELDOUT)
    decided: list[int] = []
    for at in plan.folds:
        parts = split(data, chosen, plan, at)
        seen = {data.groups[i] for i in (*parts.train, *parts.validation, *parts.calibration)}
        tested = {data.groups[i] for i in (*parts.test, *parts.abnormal)}
        assert not seen & tested
        assert 30 in parts.abnormal  # nobody's patient: tested in every fold
        assert {data.groups[i] for i in parts.test} == tested - {99}
        decided += parts.decided
    assert sorted(decided) == list(chosen.abnormal)


def test_a_fold_learns_from_so_many_healthy_groups_and_tests_the_same_scans() -> None:
    images = [image_of(n, LabelValue.HEALTHY, group=n // 2) for n in range(40)]
    data = gather([*images, image_of(160, LabelValue.ABNORMAL)], SMALL)
    data = replace(data, duplicates=tuple(range(len(data))))  # as gathered with patients
    chosen = select(data, HELDOUT)
    whole = split(data, chosen, EvaluationPlan(HELDOUT), (0, 1))
    few = split(data, chosen, EvaluationPlan(HELDOUT, most_healthy=6), (0, 1))
    more = split(data, chosen, EvaluationPlan(HELDOUT, most_healthy=8), (0, 1))
    learned = [
        {data.groups[i] for i in (*each.train, *each.validation, *each.calibration)}
        for each in (few, more, whole)
    ]
    assert [len(each) for each in learned] == [6, 8, 16]
    assert learned[0] < learned[1] < learned[2]
    assert few.test == more.test == whole.test
