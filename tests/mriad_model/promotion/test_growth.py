from hypothesis import given
from hypothesis import strategies as st

from mriad_model.enums import Role
from mriad_model.promotion.growth import (
    CLOSEST_TO_TRAINING_FIRST,
    HELD_OUT,
    Growth,
    GrowthCriteria,
    roles_after_growth,
)

TAUGHT = {Role.TRAIN, Role.VALIDATION}
scans = st.lists(
    st.tuples(
        st.integers(0, 20), st.sampled_from([None, None, *CLOSEST_TO_TRAINING_FIRST]), st.booleans()
    ),
    max_size=60,
)


def test_both_marks_must_be_reached() -> None:
    criteria = GrowthCriteria(share=0.2, number=20)
    assert not Growth(n_before=50, n_new=19).reaches(criteria)
    assert Growth(n_before=50, n_new=20).reaches(criteria)
    assert not Growth(n_before=200, n_new=39).reaches(criteria)
    assert Growth(n_before=200, n_new=40).reaches(criteria)
    assert Growth(n_before=203, n_new=40).text(criteria).endswith("41 are needed")


@given(scans, st.integers(0, 3))
def test_what_either_model_learned_from_is_never_compared_on(
    given_scans: list[tuple[int, Role | None, bool]], seed: int
) -> None:
    groups, before, healthy = (
        ([*each] for each in zip(*given_scans, strict=True)) if (given_scans) else ([], [], [])
    )
    keys = [f"{number:03d}" for number in range(len(groups))]
    roles = roles_after_growth(groups, before, healthy, [False] * len(groups), seed, keys)
    of_group = {}
    for group, role, was in zip(groups, roles, before, strict=True):
        assert of_group.setdefault(group, role) is role  # twins share one
        if was in TAUGHT:
            assert role in TAUGHT
        if was is None:
            continue
        if role is not was:  # a twin was taught, or had the stricter role
            assert was in HELD_OUT or was is Role.VALIDATION


def test_new_groups_are_dealt_in_shares_and_old_ones_keep_their_role() -> None:
    before: list[Role | None] = [Role.TRAIN, Role.CALIBRATION, Role.TEST, *[None] * 20]
    n = len(before)
    keys = [f"{number:03d}" for number in range(n)]
    roles = roles_after_growth(range(n), before, [True] * n, [False] * n, 0, keys)
    assert roles[:3] == before[:3]
    counts = {role: roles[3:].count(role) for role in CLOSEST_TO_TRAINING_FIRST}
    assert counts == {Role.TRAIN: 10, Role.VALIDATION: 2, Role.CALIBRATION: 4, Role.TEST: 4}


def test_an_abnormal_scan_is_compared_on_unless_it_has_a_healthy_twin_that_teaches() -> None:
    groups = [0, 0, 1, 2]
    roles = roles_after_growth(
        groups,
        [Role.TRAIN, None, None, None],
        [True, False, False, True],
        [False] * 4,
        0,
        list("abcd"),
    )
    assert roles[1] is Role.TRAIN
    assert roles[2] is Role.TEST
    assert roles[3] is Role.TRAIN  # the only new group: something has to be learned


def test_what_a_reviewer_called_healthy_teaches_and_is_never_compared_on() -> None:
    """It was looked at because it was flagged: thresholds drawn through such would be too high."""
    n = 20
    reviewed = [number < 8 for number in range(n)]
    roles = roles_after_growth(
        range(n), [None] * n, [True] * n, reviewed, 0, [f"{i:02d}" for i in range(n)]
    )
    assert set(roles[:8]) == {Role.TRAIN}
    assert HELD_OUT[0] in roles[8:]
    kept = roles_after_growth([0], [Role.CALIBRATION], [True], [True], 0, ["a"])
    assert kept == [Role.CALIBRATION]  # it was held out before anybody knew its score
