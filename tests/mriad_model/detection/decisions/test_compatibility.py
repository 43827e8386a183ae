import numpy as np
import pytest

from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import ScanKind
from mriad_model.recipes.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER

T1 = VOLUME_AUTOENCODER.with_contrast(["T1w", None, "T1w"])


@pytest.mark.parametrize(
    ("recipe", "kind", "contrast"),
    [
        (AUTOENCODER, ScanKind.NIFTI, None),
        (AUTOENCODER, ScanKind.DICOM, "T1w"),
        (VOLUME_AUTOENCODER, ScanKind.IMAGE, None),
        (T1, ScanKind.NIFTI, "FLAIR"),
    ],
)
def test_a_model_does_not_judge_what_it_has_not_learned(recipe, kind, contrast):
    assert "cannot judge" in incompatibility(recipe, kind, contrast)


@pytest.mark.parametrize(
    ("recipe", "kind", "contrast"),
    [
        (AUTOENCODER, ScanKind.IMAGE, None),
        (T1, ScanKind.DICOM, "T1w"),
        (T1, ScanKind.NIFTI, None),
        (VOLUME_AUTOENCODER, ScanKind.NIFTI, "FLAIR"),
        (VOLUME_AUTOENCODER.with_contrast(["T1w", "FLAIR"]), ScanKind.NIFTI, "T2w"),
        (VOLUME_AUTOENCODER.with_contrast([None]), ScanKind.NIFTI, "T2w"),
    ],
)
def test_a_model_judges_what_may_be_of_its_kind(recipe, kind, contrast):
    assert incompatibility(recipe, kind, contrast) is None


@pytest.mark.parametrize(
    ("spacing", "judged"),
    [((1.0, 1.0, 5.0), True), ((1.0, 5.0, 1.0), False), ((5.0, 1.0, 1.0), False)],
)
def test_thick_slices_of_another_plane_are_refused(
    spacing: tuple[float, float, float], judged: bool
) -> None:
    """Axial slices are looked at; thick sagittal or coronal ones hold none."""
    affine = np.diag([*spacing, 1.0]).ravel().tolist()
    grid = {"spacing": list(spacing), "affine": affine, "shape": [40, 40, 40]}
    why = incompatibility(VOLUME_AUTOENCODER, ScanKind.DICOM, None, grid)
    assert (why is None) is judged
    if why is not None:
        assert "5 mm long and 1 mm wide within axial slices" in why
