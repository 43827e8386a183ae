"""Whose scans files are, and which file is the mask of which."""

from pathlib import Path

import pytest

from mriad_model.enums import LabelValue
from mriad_model.errors import NoScans, SettingsError
from mriad_model.evaluation.listing import (
    OF_MASKS,
    Patients,
    masks_beside,
    masks_in,
    patient_of,
    read_scan_csv,
    require_both_labels,
)

ROOT = Path("/scans")


@pytest.mark.parametrize(
    ("how", "name", "patient"),
    [
        (Patients.FOLDER, "no/p1/03.png", "p1"),
        (Patients.FOLDER, "p1/yes/03.png", "p1"),
        (Patients.FOLDER, "yes/p1/visit2/03.png", "p1"),
        (Patients.FOLDER, "yes/03.png", None),
        (Patients.BIDS, "no/sub-07_ses-1_FLAIR.nii.gz", "07"),
        (Patients.BIDS, "no/sub-07/anat/03.png", "07"),
        (Patients.BIDS, "no/03.png", None),
        (None, "no/p1/03.png", None),
    ],
)
def test_a_patient_is_named_by_folder_or_by_bids(
    how: Patients | None, name: str, patient: str | None
) -> None:
    assert patient_of(ROOT / name, ROOT, how) == patient


def test_a_mask_beside_its_scan_is_known_by_its_name() -> None:
    files = [ROOT / name for name in ("a/1.png", "a/1_mask.tif", "b/1.png", "b/2_mask.png")]
    volumes = [ROOT / "h.nii.gz", ROOT / "h_mask.nii.gz"]
    found = masks_beside([*files, *volumes])
    assert found == {files[0]: files[1], volumes[0]: volumes[1]}


def test_masks_in_a_folder_have_the_names_of_their_scans() -> None:
    scans = [ROOT / "yes" / "p1" / "1.png", ROOT / "yes" / "p2" / "1.png", ROOT / "yes" / "3.jpg"]
    masks = [Path("/masks/p1/1.png"), Path("/masks/p2/1_mask.png"), Path("/masks/3.png")]
    assert masks_in(masks, scans, ROOT) == dict(zip(scans, masks, strict=True))
    with pytest.raises(SettingsError, match="2 masks are named as"):
        masks_in([Path("/m/a/1.png"), Path("/m/b/1.png")], [ROOT / "1.png"], ROOT)


def test_a_csv_lists_scans_with_all_that_lies_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "scans.csv"
    path.write_text(
        "Path,Patient,Label,Mask,Difference,Level\na.nii,P1,no,,,\na.nii,P1,yes,m.nii,d.nii,0.5\n"
    )
    healthy, implanted = read_scan_csv(path)
    assert (healthy.label, healthy.mask, healthy.level) == (LabelValue.HEALTHY, None, None)
    assert (implanted.patient, implanted.mask, implanted.difference) == ("P1", "m.nii", "d.nii")
    assert implanted.level == 0.5


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("name,patient\na,P\n", "needs a column path"),
        ("path\na\n", "needs a column path"),
        ("path,label\n,no\n", "line 2: no file"),
        ("path,label\na,ill\n", "'ill' is no label"),
        ("path,patient,level\na,P,high\n", "'high' is no number"),
        ("path,patient\na,P\na,Q\n", "line 3: 'a' is line 2 too"),
    ],
)
def test_a_csv_that_cannot_be_followed_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "scans.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=wrong):
        read_scan_csv(path)


def test_where_masks_tell_the_error_does_not_ask_for_them() -> None:
    require_both_labels(1, 1, 5)
    with pytest.raises(NoScans, match=OF_MASKS) as raised:
        require_both_labels(3, 0, 0, masks=2, by_masks=True)
    assert "--labels-from-masks" not in str(raised.value)
    with pytest.raises(NoScans, match=r"add --labels-from-masks .2 masks there.") as raised:
        require_both_labels(0, 0, 3, masks=2)
    with pytest.raises(NoScans) as raised:
        require_both_labels(0, 0, 3)
    assert "mask" not in str(raised.value)
