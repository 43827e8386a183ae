"""Every error mriad raises on purpose.

MriadError                    one plain line: what, where, what to do
├── SettingsError             a setting or argument that cannot be used
├── HomeError                 the home cannot be read or written
├── RecordError               the database refuses, or holds something unexpected
│   └── NotInRecord           what was asked for has no row
├── RejectedFile              a file that is no usable scan (has a RejectionReason)
├── NoScans                   nothing to work on where scans were expected
│   └── TooFewScans           fewer scans than the step needs
├── TrainingDiverged          the loss became no number
├── ThresholdUndefined        the calibration scores give no threshold
└── ModelFileError            a stored model that cannot be loaded, or is not the one recorded
"""

from mriad_model.enums import RejectionReason


class Terminated(BaseException):
    """The process got SIGTERM. Like Ctrl-C it is nothing that a step answers."""


class MriadError(Exception):
    """Base of all errors that a user can meet. Its text is one plain line."""


class SettingsError(MriadError):
    """A setting or argument that cannot be used."""


class HomeError(MriadError):
    """The home folder cannot be read or written."""


class RecordError(MriadError):
    """The database refuses, or holds something unexpected."""


class NotInRecord(RecordError):
    """What was asked for has no row."""


class RejectedFile(MriadError):
    """A file that is no usable scan."""

    def __init__(self, reason: RejectionReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["RejectedFile"], tuple[RejectionReason, str]]:
        return type(self), (self.reason, self.detail)  # from one process to another


class NoScans(MriadError):
    """Nothing to work on where scans were expected."""


class TooFewScans(NoScans):
    """Fewer scans than the step needs."""


class TrainingDiverged(MriadError):
    """The loss became no number."""


class ThresholdUndefined(MriadError):
    """The calibration scores give no threshold."""


class ModelFileError(MriadError):
    """A stored model that cannot be loaded, or is not the one recorded."""
