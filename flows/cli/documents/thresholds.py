"""Documents of `mriad recalibrate` and `activate`: what a threshold promises, and what it finds."""

from typing import TYPE_CHECKING

from db.entities import Threshold
from flows.cli.documents.fields import Document, keys

if TYPE_CHECKING:
    from mriad_model.promotion.power import Power, ShareFound
    from tasks.calibration.threshold_figures import ComparisonFigures
    from tasks.calibration.thresholds import Proposal

RATE = "n_groups rate rate_low rate_high"
COLUMNS = f"id model_id dataset_id policy mean sd n k value run_id created_at {RATE}"
COMPARED = "at n_healthy n_abnormal flagged auroc_implanted auroc_abnormal"


def recalibrate_document(proposal: "Proposal", threshold_id: int | None, *, same: bool) -> Document:
    """`mriad recalibrate`; without a threshold id, a dry run; `same`: it is the active one."""
    return {
        "threshold_id": threshold_id,
        **keys(proposal.fit, f"policy mean sd n k value {RATE}"),
        "flips": keys(proposal.flips, "to_suspicious to_normal to_uncertain"),
        "decided": proposal.decided,
        "power": power_document(proposal.power),
        "dry_run": threshold_id is None,
        "unchanged": same,
    }


def activate_document(
    threshold_id: int, model_id: int, decisions: int, why_not_compared: str | None, *, already: bool
) -> Document:
    """`mriad activate THRESHOLD`; `already`: it was active before."""
    return {
        "threshold_id": threshold_id,
        "model_id": model_id,
        "decisions": decisions,
        "active_already": already,
        "not_compared": why_not_compared,
    }


def threshold_document(
    row: Threshold,
    learned: str,
    compared: "ComparisonFigures | None",
    power: "Power | None",
    why_not_compared: str | None,
    active: int | None,
) -> Document:
    """A line of `mriad activate` without a threshold, which lists them under `thresholds`."""
    return {
        **{name: getattr(row, name) for name in COLUMNS.split()},
        "learned": learned,
        "active": row.id == active,
        "compared": compared and {name: getattr(compared, name) for name in COMPARED.split()},
        "power": power_document(power),
        "not_compared": why_not_compared,
    }


def power_document(found: "Power | None") -> Document | None:
    """Of all implants, by size and by kind; null where the model was not measured."""
    if found is None:
        return None
    return {
        **_share(found.found),
        "n_groups": found.n_groups,
        "refused": found.not_scorable,  # the key of the first version
        "moved": found.moved,
        "flagged": found.flagged,
        "silence": found.silence,
        "by_size": {name: _share(each) for name, each in found.by_size.items()},
        "by_kind": {name: _share(each) for name, each in found.by_kind.items()},
    }


def _share(found: "ShareFound") -> dict[str, float]:
    return {"n": found.n, "share": found.share, "low": found.low, "high": found.high}
