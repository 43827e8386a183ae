"""Ids that refer to a row of another table."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class References:
    """Marks a column that holds the id of a row of another table, which stays while this does."""

    table: str


RunId = Annotated[int, References("run")]
ScanId = Annotated[int, References("scan")]
DatasetId = Annotated[int, References("dataset")]
ModelId = Annotated[int, References("model")]
ThresholdId = Annotated[int, References("threshold")]
ScoreId = Annotated[int, References("score")]
DecisionId = Annotated[int, References("decision")]
HeatmapId = Annotated[int, References("heatmap")]
ReviewId = Annotated[int, References("review")]
ArrivalId = Annotated[int, References("arrival")]
