"""Settings, read once: from the environment (prefix `MRIAD_`), then the command line.

No other module reads our variables: all else gets what it needs as arguments. Prefect's are read
and set in `flows.runtime.prefect_environment`. (`tasks.runtime.environment` records the variables
that libraries read, and `mriad_model.readers.sandbox.preload` sets some for a child.)
"""

import os
import pwd
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from flows.runtime.messages import what_it_takes
from mriad_model.destinations import AE_TITLE, destination_of
from mriad_model.errors import SettingsError

# What a setting is called on the command line, by the commands that take it there.
_OPTIONS = {
    "home": "--home",
    "device": "--device",
    "recipe": "--recipe",
    "sigmas": "--sigmas",
    "rate": "--rate",
    "seed": "--seed",
    "quiet_seconds": "--quiet",
    "poll": "--poll",
}
LOCAL_SERVER = "http://127.0.0.1:4200/api"


def _named(path: Path) -> Path:
    if path == Path():
        raise ValueError("an empty path; name a folder")
    return path


def _destination(text: str | None) -> str | None:
    """The address that outputs are sent to, or nothing. Raises ValueError for an invalid one."""
    if not text:
        return None
    try:
        destination_of(text)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return text


def _ae_title(text: str) -> str:
    if not AE_TITLE.fullmatch(text):
        raise ValueError("no AE title: 1 to 16 letters, digits and signs, no blank")
    return text


class Settings(BaseSettings):
    """What a run needs to know besides its arguments."""

    model_config = SettingsConfigDict(env_prefix="MRIAD_", frozen=True)

    home: Annotated[Path, AfterValidator(_named)] = Field(
        Path("mriad-home"), description="the folder where everything lives"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where networks run")
    recipe: str = Field(
        "default",
        description="what is trained: `default`, `autoencoder` or `seed` for pictures; `volume`, "
        "`volume-network` or `volume-autoencoder`",
    )
    # Below the mean of healthy scores most healthy scans would be flagged.
    sigmas: float = Field(
        1.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="k of the threshold: mean + k sd of healthy scores",
    )
    rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="the share of healthy scans that the threshold may flag, instead of k",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="seed of splits, initial weights and augmentation"
    )
    chunk_size: int = Field(
        512, ge=1, le=4096, description="how many slices a task handles at once"
    )
    watch: Annotated[Path | None, AfterValidator(_named)] = Field(
        None, description="the folder that is watched; without it, the home's `inbox`"
    )
    quiet_seconds: float = Field(
        60.0,
        ge=0,
        le=86400,
        description="seconds without a change after which a folder has settled",
    )
    sweep_seconds: float = Field(
        30.0,
        ge=0.1,
        le=3600,
        description="seconds between two looks at the watched folder, at most",
    )
    poll: bool = Field(
        False, description="`true` for a network share: it sends no change events and is polled"
    )
    nightly: str = Field("0 2 * * *", description="when the nightly run starts, as in crontab")
    weekly: str = Field("0 6 * * 1", description="when the weekly report is written, as in crontab")
    recalibrate: str = Field(
        "0 5 1 * *", description="when the threshold is drawn anew, as in crontab"
    )
    timezone: str = Field("UTC", description="time zone of the schedules, such as `Europe/Berlin`")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL database of the record; without it, SQLite in the home"
    )
    shards: int = Field(
        1, ge=1, le=64, description="runs that share a night's new scans, the first included"
    )
    retrain_share: float = Field(
        0.2,
        ge=0,
        allow_inf_nan=False,
        description="growth of the healthy pool that starts a training, as a share",
    )
    retrain_min: int = Field(
        20, ge=1, description="and as a number of new healthy scans; both are needed"
    )
    retrain_margin: float = Field(
        0.05, gt=0, lt=1, description="largest loss of AUROC that a new model may have"
    )
    retrain_rate_margin: float = Field(
        0.1, gt=0, lt=1, description="largest share of healthy scans that it may flag in addition"
    )
    retrain_confidence: float = Field(
        0.9, gt=0.5, lt=1, description="one-sided confidence with which both must be shown"
    )
    web_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="port of the reader's pages; without it 4280, or any that is free",
    )
    web_bind: str = Field(
        "127.0.0.1", description="address that the pages are served at; this machine alone"
    )
    web_hosts: str = Field(
        "",
        description="other names that browsers reach the pages by, such as a proxy's: "
        "`mri.example.org`, several with commas",
    )
    web_https: bool = Field(
        False, description="`true`: browsers reach the pages by HTTPS, through a proxy"
    )
    web_user_header: str = Field(
        "",
        pattern=r"^([A-Za-z0-9]+(-[A-Za-z0-9]+)*)?$",
        description="header in which a proxy with the site's login names its user, such as "
        "`X-Remote-User`, who is then the reviewer; without it no header is believed",
    )
    web_proxy: str = Field(
        "",
        description="addresses that such a proxy connects from, if it is on another machine; "
        "several with commas",
    )
    blind_reading: bool = Field(
        False,
        description="`true`: the pages show other readers' reviews of a scan only to who has "
        "reviewed it",
    )
    send_to: Annotated[str | None, AfterValidator(_destination)] = Field(
        None,
        description="where DICOM outputs are sent after scoring: `dicom://AETITLE@HOST:PORT` "
        "(C-STORE) or `https://HOST/PATH` (DICOMweb); without it nowhere",
    )
    send_as: Annotated[str, AfterValidator(_ae_title)] = Field(
        "MRIAD", description="the AE title that mriad sends as"
    )
    send_credentials: Annotated[Path | None, AfterValidator(_named)] = Field(
        None,
        description="file (0600) with `USER:PASSWORD` or `Bearer TOKEN` for DICOMweb; without it "
        "`~/.netrc`",
    )
    send_days: float = Field(
        7.0, gt=0, le=3650, description="days after which an output that was not taken is given up"
    )
    prefect_api_url: str = Field(
        LOCAL_SERVER,
        validation_alias=AliasChoices("MRIAD_PREFECT_API_URL", "PREFECT_API_URL"),
        description="the Prefect server to use if one answers, and where `mriad up` starts its own",
    )
    own_prefect: bool = Field(
        False, description="`true`: that server is a Prefect of your own, used as it is"
    )

    @property
    def record_url(self) -> str | None:
        """Where the record is; None for SQLite in the home."""
        return (self.database_url.get_secret_value() or None) if self.database_url else None


def read_settings(**given: object) -> Settings:
    """Environment and command line as one frozen object; None means "not given".

    Raises:
        SettingsError: a value that cannot be used, in one line.
    """
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).lower().removeprefix("mriad_")
        option = f" (or {_OPTIONS[name]})" if name in _OPTIONS else ""
        secret = name == "send_to"  # it may hold a password
        takes = what_it_takes(first, shown=not secret)
        if takes is not None:
            raise SettingsError(f"MRIAD_{name.upper()}{option} {takes}") from error
        wrong = first["msg"].removeprefix("Value error, ")
        shown = "" if secret else f" {first['input']!r}"
        raise SettingsError(
            f"MRIAD_{name.upper()}{option}{shown}: {wrong[:1].lower()}{wrong[1:]}"
        ) from error


def unknown_settings() -> list[str]:
    """Variables with our prefix that are not settings: misspelt, perhaps."""
    known = {f"MRIAD_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith("MRIAD_") and name not in known)


def login_name() -> str | None:
    """The name that this process's user logs in with; None where the system knows none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container that runs as any number
        return os.environ.get("LOGNAME") or None


def local_user() -> str:
    """Who to name as the author of labels and activations: the login name."""
    return login_name() or f"user {os.getuid()}, without a name"
