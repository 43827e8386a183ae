"""Two models on one footing: one member against one, or all against all."""

from tasks.promotion.compare_models import comparison_folds


def test_scans_new_to_both_are_scored_by_all_members_of_each() -> None:
    assert comparison_folds({1: None, 2: None}, {1: 3, 2: 3}) == {1: None, 2: None}


def test_a_scan_that_the_candidate_learned_is_scored_by_one_member_of_each() -> None:
    assert comparison_folds({1: None, 2: 2}, {1: 3, 2: 3}) == {1: 2, 2: 2}
    assert comparison_folds({1: 1, 2: None}, {1: 3, 2: 3}) == {1: 1, 2: 1}
    assert comparison_folds({1: 0, 2: 2}, {1: 3, 2: 3}) == {1: 0, 2: 2}


def test_a_model_of_one_member_or_of_fewer_is_scored_by_one() -> None:
    assert comparison_folds({1: None, 2: 2}, {1: 1, 2: 3}) == {1: None, 2: 2}
    assert comparison_folds({1: None, 2: 2}, {1: 2, 2: 3}) == {1: 0, 2: 2}
