"""The types of a recipe's fields, with the limits that values from a file are held to."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field


def between(low: float, high: float) -> Any:
    """For a field: the lowest and the highest value that a recipe from a file may hold."""
    return Field(ge=low, le=high)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


Percentile = Annotated[float, between(0, 100)]
Share = Annotated[float, between(0, 1)]
Width = Annotated[int, between(1, 4096)]
PixelSigma = Annotated[float, between(0, 64)]
ShortText = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
