"""The deployments and their schedules. `prefect.yaml` has the same; a test compares them.

`mriad up` serves these; who runs a Prefect of their own deploys `prefect.yaml` instead.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from db.timestamps import now
from flows.runtime.settings import Settings
from mriad_model.errors import SettingsError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

WAITS, IS_LEFT_OUT = "ENQUEUE", "CANCEL_NEW"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow that runs by itself.

    One run at a time; `collision` is what happens to another. None: any number.
    """

    name: str
    entrypoint: str  # module.flow
    collision: str | None
    cron: str | None = None
    timezone: str | None = None

    def to_serve(self) -> "RunnerDeployment":
        """The deployment as Prefect's runner takes it."""
        # Here, for `mriad up` itself needs neither the flows nor the workflow engine.
        from prefect import Flow  # noqa: PLC0415
        from prefect.client.schemas import objects  # noqa: PLC0415
        from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415
        from prefect.types.entrypoint import EntrypointType  # noqa: PLC0415

        module, name = self.entrypoint.rsplit(".", 1)
        flow: Flow[..., object] = getattr(import_module(module), name)
        made = flow.to_deployment(
            self.name,
            schedules=[CronSchedule(cron=self.cron, timezone=self.timezone)] if self.cron else None,
            concurrency_limit=None
            if self.collision is None
            else objects.ConcurrencyLimitConfig(
                limit=1, collision_strategy=objects.ConcurrencyLimitStrategy(self.collision)
            ),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        return cast("RunnerDeployment", made)


def deployments(settings: Settings) -> list[Deployment]:
    """All of them, by the schedules that the settings name.

    Raises:
        SettingsError: a schedule or the time zone is invalid.
    """
    zone = settings.timezone
    for name, cron in (
        ("nightly", settings.nightly),
        ("weekly", settings.weekly),
        ("recalibrate", settings.recalibrate),
    ):
        try:
            # Prefect's own check takes days that never come (30 February) and an empty zone.
            CronSim(cron, datetime.fromisoformat(now()).astimezone(ZoneInfo(zone)))
        except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
            raise SettingsError(
                f"MRIAD_{name.upper()} {cron!r} in MRIAD_TIMEZONE {zone!r} is not a valid "
                "schedule: five fields as in crontab, and a zone such as Europe/Berlin"
            ) from error
    return [
        Deployment("nightly-scoring", "flows.nightly.nightly", IS_LEFT_OUT, settings.nightly, zone),
        Deployment("on-new-scans", "flows.nightly.score_arrivals", WAITS),
        Deployment("score-shard", "flows.score_shards.score_shard", None),
        Deployment("retrain-on-growth", "flows.retrain.retrain_on_growth", IS_LEFT_OUT),
        Deployment(
            "weekly-report", "flows.weekly_report.weekly_report", IS_LEFT_OUT, settings.weekly, zone
        ),
        Deployment(
            "recalibrate", "flows.recalibrate.recalibrate", WAITS, settings.recalibrate, zone
        ),
    ]
