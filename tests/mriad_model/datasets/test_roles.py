from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriad_model.datasets.roles import RoleShares, assign_roles, fold_parts, grouped_folds
from mriad_model.enums import Role
from mriad_model.errors import SettingsError, TooFewScans
from mriad_model.recipes.built_in_recipes import DEFAULT, VOLUME
from mriad_model.recipes.recipe import CrossFitting

SHARES = RoleShares()
some_groups = st.lists(st.integers(0, 30), min_size=4, max_size=80).filter(
    lambda groups: len(set(groups)) >= 4
)


def by_group(groups, values):
    said = {}
    for group, value in zip(groups, values, strict=True):
        said.setdefault(group, set()).add(value)
    return said


@given(some_groups, st.integers(0, 5))
def test_twins_share_a_role_and_every_role_is_filled(groups, seed):
    roles = by_group(groups, assign_roles(groups, SHARES, seed))
    assert all(len(values) == 1 for values in roles.values())
    counts = Counter(role for values in roles.values() for role in values)
    assert counts[Role.TRAIN] >= 1
    assert counts[Role.VALIDATION] >= 1
    assert counts[Role.CALIBRATION] >= 2


@given(st.integers(20, 300), st.integers(0, 3))
def test_roles_come_in_their_shares(n_groups, seed):
    counts = Counter(assign_roles(range(n_groups), RoleShares(0.5, 0.2, 0.3), seed))
    for role, share in ((Role.TRAIN, 0.5), (Role.VALIDATION, 0.2), (Role.CALIBRATION, 0.3)):
        assert abs(counts[role] - share * n_groups) < 1


@given(some_groups, st.randoms(use_true_random=False))
def test_with_keys_the_order_of_the_scans_does_not_matter(groups, random):
    keys = [f"{group}-{place}" for place, group in enumerate(groups)]
    expected = dict(zip(keys, assign_roles(groups, SHARES, 7, keys), strict=True))
    order = list(range(len(groups)))
    random.shuffle(order)
    renumbered = [groups[i] + 100 for i in order]
    shuffled = [keys[i] for i in order]
    assert dict(zip(shuffled, assign_roles(renumbered, SHARES, 7, shuffled), strict=True)) == (
        expected
    )


def test_the_seed_decides_the_draw():
    draws = [assign_roles(range(40), SHARES, seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("groups", [[], [0], [0, 1, 2], [0, 0, 0, 1, 1, 2, 2, 2]])
def test_too_few_distinct_scans_are_counted_out(groups):
    said = f"{len(set(groups))} distinct healthy scans .of {len(groups)}, .* need 4 together"
    with pytest.raises(TooFewScans, match=said):
        assign_roles(groups, SHARES, 0)


def test_where_patients_are_counted_the_error_says_patients():
    with pytest.raises(TooFewScans, match=r"^2 patients with healthy scans .of 40 scans. are too"):
        assign_roles([0, 1] * 20, SHARES, 0, by_patient=True)
    with pytest.raises(
        TooFewScans, match=r"^1 patient with healthy scans .of 3 scans. cannot fill"
    ):
        grouped_folds([0, 0, 0], 5, 0, by_patient=True)


@pytest.mark.parametrize("shares", [(1, 0, 0), (0.5, 0.3, 0.3), (1.2, -0.1, -0.1)])
def test_shares_that_leave_a_role_empty_or_do_not_sum_to_one_are_refused(shares):
    with pytest.raises(SettingsError, match="role shares"):
        RoleShares(*shares)


@given(some_groups, st.integers(2, 4), st.integers(0, 3))
def test_no_group_is_split_over_folds_and_no_fold_is_empty(groups, n_folds, seed):
    folds = grouped_folds(groups, n_folds, seed)
    assert all(len(values) == 1 for values in by_group(groups, folds).values())
    assert set(folds) == set(range(n_folds))


@given(some_groups, st.integers(2, 4))
def test_folds_differ_by_no_more_than_the_largest_group(groups, n_folds):
    loads = Counter(grouped_folds(groups, n_folds, 0))
    assert max(loads.values()) - min(loads.values()) <= max(Counter(groups).values())


def test_folds_depend_on_the_seed():
    draws = [grouped_folds(range(40), 5, seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_fewer_scans_than_folds_or_one_fold_are_refused():
    with pytest.raises(
        TooFewScans, match=r"^3 distinct healthy scans .of 4, .* cannot fill 5 folds"
    ):
        grouped_folds([0, 0, 1, 2], 5, 0)
    with pytest.raises(SettingsError, match="2 folds or more"):
        grouped_folds([0, 1], 1, 0)


def test_a_member_learns_nothing_of_its_fold_and_a_norm_learns_all_else():
    groups, folds = [0, 0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 0, 1, 2, None]
    keys = [str(i) for i in range(8)]
    pictures, volumes = DEFAULT, replace(VOLUME, cross_fitting=CrossFitting())
    for fold in range(3):
        own = [i for i in range(8) if folds[i] == fold]
        others = [i for i in range(8) if folds[i] != fold]
        learned, held_out = fold_parts(groups, folds, fold, pictures, keys)
        assert sorted(learned + held_out) == others  # some scale the detectors
        assert held_out
        assert fold_parts(groups, folds, fold, volumes, keys) == (others, own)
