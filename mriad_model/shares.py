"""Shares of scans in words, and how many scans tell one."""

from typing import Final

FEW_TO_CALIBRATE: Final = 30  # groups; below it a threshold of mean + k sd is a guess


def in_percent(share: float) -> str:
    """`16 %`, `4.8 %`: two digits, or all before the point."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def with_interval(share: float, low: float, high: float) -> str:
    """`16 % (95 % interval 9.1 % to 25 %)`."""
    return f"{in_percent(share)} (95 % interval {in_percent(low)} to {in_percent(high)})"


def calibrated_by(n: int, n_groups: int | None) -> str:
    """The scans that a threshold is drawn from: `98 calibration scans in 85 groups`.

    Near-duplicates, and scans of one patient, are a group, which counts once.
    """
    scans = f"{n} calibration scan{'' if n == 1 else 's'}"
    if n_groups is None or n_groups == n:
        return scans
    return f"{scans} in {n_groups} group{'' if n_groups == 1 else 's'}"
