"""Subject and session from BIDS names (Brain Imaging Data Structure 1.10, "File name structure").

`sub-01/ses-02/anat/sub-01_ses-02_acq-mprage_T1w.nii.gz`: the file name counts first; folders fill
in what it lacks, as for DICOM files under `sourcedata/sub-01/ses-02/`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ENTITY = re.compile(r"(sub|ses)-([0-9A-Za-z+]+)")
NAME = re.compile(r"(?:[a-z]+-[0-9A-Za-z+]+_)+([0-9A-Za-z]+)(?:\.[0-9A-Za-z.]+)?")


@dataclass(frozen=True, slots=True)
class BidsName:
    """Labels without their keys; None where the name has none."""

    subject: str | None
    session: str | None
    suffix: str | None  # T1w, T2w, FLAIR, ...


def bids_name(path: Path) -> BidsName:
    """The labels in a path. A session without a subject, or of another one's folder, is ignored."""
    parts = [_entities(part) for part in path.name.split("_")]
    own = {key: label for entities in parts for key, label in entities.items()}
    folders: dict[str, str] = {}
    for part in path.parent.parts:
        folders |= _entities(part)
    if "sub" in own and own["sub"] != folders.get("sub", own["sub"]):
        folders = {}
    found = folders | own
    name = NAME.fullmatch(path.name)
    subject = found.get("sub")
    return BidsName(
        subject=subject,
        session=found.get("ses") if subject else None,
        suffix=name[1] if name and subject else None,
    )


def _entities(part: str) -> dict[str, str]:
    whole = ENTITY.fullmatch(part.split(".", 1)[0])
    return {whole[1]: whole[2]} if whole else {}
