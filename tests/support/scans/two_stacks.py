"""An enhanced file of two stacks."""

from pathlib import Path

import numpy as np

from tests.mriad_model.conftest import SeriesWriter, drawn_head, oblique_affine
from tests.support.scans.phantoms import SHAPE

N = SHAPE[0]  # slices of a stack


def enhanced_of_two(folder: Path) -> None:
    """One enhanced file whose frames are of two stacks, a head each, one turned half round."""
    head = drawn_head((N, 40, 36))
    voxels = np.concatenate([head, head[:, ::-1, ::-1]])

    def of_stack(dataset: object, _: int) -> None:
        dataset.SeriesDescription = "t1_se_tra"  # type: ignore[attr-defined]
        for groups in dataset.PerFrameFunctionalGroupsSequence:  # type: ignore[attr-defined]
            content = groups.FrameContentSequence[0]
            content.StackID = "1" if content.InStackPositionNumber <= N else "2"

    SeriesWriter(folder).enhanced(voxels, oblique_affine((4.4, 4.1, 5.0)), of_stack)
