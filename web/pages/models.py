"""Models: their recipe, data and figures, which is active; activating one, with a reason."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Engine

from db.entities import Model, Threshold
from db.repository.training.models import activations, current_threshold, models, thresholds
from mriad_model.errors import SettingsError
from mriad_model.promotion.power import Power, power_of
from mriad_model.recipes.decision_recipes import no_gate_text
from tasks.calibration.threshold_figures import (
    ComparisonFigures,
    last_comparisons,
    not_compared,
)
from web.rendering import page
from web.site import MaybeId, form_of, site_of

NO_REASON: Final = "Say why: the reason is kept in the record."
NO_SUCH: Final = "There is no threshold {id} in the record."
NOT_HERE: Final = "This server starts no commands; use: mriad activate {id}"
router = APIRouter()


@dataclass(frozen=True, slots=True)
class ListedThreshold:
    """A threshold, its model, and how it did."""

    threshold: Threshold
    model: Model
    compared: ComparisonFigures | None
    active: bool
    not_compared: str | None = None  # why its model has no figures

    @property
    def recipe(self) -> dict[str, Any]:
        """The model's recipe."""
        found: dict[str, Any] = json.loads(self.model.recipe)
        return found

    @property
    def learned(self) -> str:
        """The kind of scan that it was trained on, in words."""
        volumes = self.recipe.get("volumes")
        if volumes is None:
            return "pictures"
        return f"{volumes['contrast']} volumes" if volumes.get("contrast") else "volumes"

    @property
    def no_gate(self) -> str | None:
        """What it means that the model has no gate; None of one that has."""
        return no_gate_text(self.recipe)

    @property
    def power(self) -> Power | None:
        """What it finds of implanted lesions; None where the model was not measured."""
        return power_of(self.model.metrics, self.threshold.value)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the training."""
        found: dict[str, Any] = json.loads(self.model.metrics)
        return found


@router.get("/models")
def list_models(request: Request, begun: MaybeId = None) -> HTMLResponse:
    """Thresholds, newest first, and what was active when."""
    site = site_of(request)
    lines = listed_thresholds(site.engine)
    return page(
        request,
        "models.html.j2",
        lines=lines,
        begun=begun,
        activations=list(reversed(activations(site.engine))),
        can_activate=site.begin is not None,
    )


@router.post("/models/activate")
def activate(
    request: Request, fields: Annotated[dict[str, str], Depends(form_of)]
) -> RedirectResponse:
    """Start `mriad activate` in the background; the list shows it once it is done."""
    site = site_of(request)
    given, reason = fields.get("threshold", ""), " ".join(fields.get("reason", "").split())
    known = {str(each.id) for each in thresholds(site.engine)}
    if given not in known:
        raise SettingsError(NO_SUCH.format(id=given[:20]))
    if not reason:
        raise SettingsError(NO_REASON)
    if site.begin is None:
        raise SettingsError(NOT_HERE.format(id=given))
    name = site.reviewer_of(request)
    why = f"{reason} ({name}, by the pages)" if name else reason
    # By its input: arguments stand in the list of processes, which all users of the machine see.
    site.begin(["activate", given, "--reason=-"], why[:1000])
    return RedirectResponse(f"/models?begun={given}", 303)


def listed_thresholds(engine: Engine) -> list[ListedThreshold]:
    """All thresholds, newest first."""
    current = current_threshold(engine)
    by_id = {model.id: model for model in models(engine)}
    compared, why_not = last_comparisons(engine), not_compared(engine)
    found = [
        ListedThreshold(
            each,
            by_id[each.model_id],
            compared.get(each.id or 0),
            current is not None and each.id == current.threshold.id,
            why_not.get(each.id or 0),
        )
        for each in thresholds(engine)
    ]
    return list(reversed(found))
