"""Evaluation: how well a recipe tells abnormal scans from healthy ones it never saw.

`data` holds prepared images in one file, `plan` deals them out, `folds` trains and scores one
fold, `results` is what a fold found, `summary` puts the folds together. A fold travels as one
JSON file, so that a workflow can run folds as tasks anywhere.
"""

from mriad_model.evaluation.data import EvaluationData, EvaluationImage, gather
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.plan import EvaluationPlan, EvaluationProtocol, Selection, Split
from mriad_model.evaluation.results import FoldResult, Picture, RowKind, ScoreRow
from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, summarise

__all__ = [
    "EvaluatedRow",
    "EvaluationData",
    "EvaluationImage",
    "EvaluationPlan",
    "EvaluationProtocol",
    "EvaluationReport",
    "FoldResult",
    "Picture",
    "RowKind",
    "ScoreRow",
    "Selection",
    "Split",
    "gather",
    "run_fold",
    "summarise",
]
