"""Result of one fold, as a value that travels as JSON without losing a bit."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.errors import SettingsError
from mriad_model.evaluation.lesion_maps import FoldLesions, restored
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.protocol import EvaluationProtocol

MODEL_ROW = "model"


class RowKind(StrEnum):
    """What a row of scores comes from."""

    MODEL = "model"  # the recipe's final score
    DETECTOR = "detector"  # one of its detectors standing alone
    BASELINE = "baseline"  # no model at all
    DIRECTION = "direction"  # a baseline with its sign, of use only to who knows the labels


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of one method in one fold."""

    name: str
    kind: RowKind
    scores: FoldScores


@dataclass(frozen=True, slots=True)
class Picture:
    """One heatmap for the contact sheet."""

    name: str
    label: str
    sigmas: float  # score, in sd of the calibration scores above their mean
    suspicious: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class FoldResult:
    """Everything one fold measured. `to_json` and `from_json` are exact."""

    protocol: EvaluationProtocol
    repeat: int
    fold: int
    recipe: str  # JSON
    plan: str  # JSON
    n_files: int
    n_folded_away: int
    n_contradictory: int
    n_train: int
    n_validation: int
    n_calibration: int
    rows: tuple[ScoreRow, ...]
    training: TrainingSummary
    epochs: tuple[Epoch, ...]
    pictures: tuple[Picture, ...]
    seconds: float
    lesions: FoldLesions | None = None
    strata: Mapping[str, Mapping[int, float]] = field(default_factory=dict)  # name -> scan -> value
    extremes: tuple[Picture, ...] = ()  # highest and lowest scores, for those who look at them
    verdicts: Mapping[int, str] = field(default_factory=dict)  # of the scans that it decides
    # Of healthy scans, those that the threshold flags, as calibration says, and its interval
    promised: tuple[float, float, float] | None = None
    n_patients: int = 0  # known ones, of all files
    n_calibration_groups: int | None = None  # of the calibration scans; None: each scan counts

    @property
    def n_test_healthy(self) -> int:
        """How many healthy scans the fold tested."""
        return len(next(row for row in self.rows if row.kind is RowKind.MODEL).scores.healthy_ids)

    def to_json(self) -> str:
        """One JSON document. Numbers keep every bit."""
        return json.dumps(asdict(self), default=_encoded, allow_nan=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "FoldResult":
        """Read what `to_json` wrote. Raises SettingsError on anything else."""
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(
                **fields
                | {
                    "protocol": EvaluationProtocol(fields["protocol"]),
                    "rows": tuple(_row(row) for row in fields["rows"]),
                    "training": TrainingSummary(**fields["training"]),
                    "epochs": tuple(Epoch(**epoch) for epoch in fields["epochs"]),
                    "pictures": tuple(_picture(picture) for picture in fields["pictures"]),
                    "extremes": tuple(_picture(picture) for picture in fields["extremes"]),
                    "lesions": restored(fields["lesions"], base64.b64decode),
                    "verdicts": {int(item): each for item, each in fields["verdicts"].items()},
                    "promised": fields["promised"] and tuple(fields["promised"]),
                    "strata": {
                        name: {int(item): value for item, value in values.items()}
                        for name, values in fields["strata"].items()
                    },
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"this is no result of a fold: {error}") from error


def _picture(fields: dict[str, Any]) -> Picture:
    return Picture(**fields | {"data": base64.b64decode(fields["data"])})


def _row(fields: dict[str, Any]) -> ScoreRow:
    scores = fields["scores"]
    tuples = (
        "healthy_ids",
        "healthy_scores",
        "healthy_groups",
        "abnormal_ids",
        "abnormal_scores",
        "abnormal_groups",
    )
    kept = FoldScores(**scores | {name: tuple(scores[name]) for name in tuples})
    return ScoreRow(fields["name"], RowKind(fields["kind"]), kept)


def _encoded(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no JSON form")
