"""What a model says of prepared scans: a score each, and the files that show where.

One way for scoring and for replay, so that the two cannot differ.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.anomaly_maps import Scored
from mriad_model.detection.model import FittedModel
from mriad_model.detection.volume_scores import anomaly_volume, score_volume
from mriad_model.enums import HeatmapKind
from mriad_model.heatmaps.montage import montage_picture
from mriad_model.heatmaps.overlay import SUFFIX, ColourScale, encode, overlay
from mriad_model.heatmaps.volume_map import nifti_map
from mriad_model.preprocessing.slices import Pixels, Placement, joined, restore
from mriad_model.preprocessing.slicing import cut
from mriad_model.preprocessing.volumes import PreparedVolume, volume_recipe
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.volume_files import StoredVolume
from tasks.scoring.preprocess import PreparedScan

PAINTERS = 2
NIFTI_SUFFIX = ".nii.gz"


@dataclass(frozen=True, slots=True)
class MapFile:
    """A file that shows where a scan is unlike healthy ones, not yet written."""

    kind: HeatmapKind
    path: str  # relative to the home
    data: bytes


@dataclass(frozen=True, slots=True)
class ModelScore:
    """What a model says of one scan."""

    scan_id: int
    score: float
    slice_scores: tuple[float, ...]
    positions: tuple[int, ...]  # of the slices
    files: tuple[MapFile, ...]  # the picture first
    anomaly: NDArray[np.float32] | None = None  # (Z, Y, X) on a volume's own grid


def score_scans(
    fitted: FittedModel, prepared: Sequence[PreparedScan], model_id: int
) -> list[ModelScore]:
    """Score scans and draw their maps."""
    if fitted.recipe.volumes is not None:
        return [_score_volume(fitted, scan, model_id) for scan in prepared]
    return _score_images(fitted, prepared, model_id)


def scores_of(
    fitted: FittedModel, prepared: Sequence[PreparedScan]
) -> list[tuple[float, tuple[float, ...]]]:
    """The score and the slice scores of scans, with nothing drawn."""
    if fitted.recipe.volumes is not None:
        scored = [score_volume(fitted, prepared_volume(fitted, scan)) for scan in prepared]
        return [(each.score, tuple(each.slice_scores.tolist())) for each in scored]
    return [
        (float(each), (float(each),))
        for each in fitted.score(joined([scan.batch for scan in prepared])).scores
    ]


def _score_images(
    fitted: FittedModel, prepared: Sequence[PreparedScan], model_id: int
) -> list[ModelScore]:
    scored = fitted.score(joined([scan.batch for scan in prepared]))
    with ThreadPoolExecutor(PAINTERS) as pool:
        return list(
            pool.map(
                lambda i: _score_image(fitted, prepared[i], scored, i, model_id),
                range(len(prepared)),
            )
        )


def _score_image(
    fitted: FittedModel, scan: PreparedScan, scored: Scored, i: int, model_id: int
) -> ModelScore:
    assert isinstance(scan.scan, ImageScan), "models judge their kind"
    score = float(scored.scores[i])
    data = draw_heatmap(
        scan.scan.pixels, scored.maps[i], scan.placements[0], fitted, score, model_id
    )
    picture = MapFile(HeatmapKind.SLICE, map_path(model_id, scan.sha256, SUFFIX), data)
    return ModelScore(scan.scan_id, score, (score,), scan.positions, (picture,))


def _score_volume(fitted: FittedModel, scan: PreparedScan, model_id: int) -> ModelScore:
    prepared = prepared_volume(fitted, scan)
    volume = _stored(scan).load()
    scored = score_volume(fitted, prepared)
    anomaly = anomaly_volume(scored, prepared, volume)
    sheet = montage_picture(scored, prepared, fitted, model_id)
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    about = f"mriad anomaly map, score {scored.score:.4g}, model {model_id}"
    return ModelScore(
        scan_id=scan.scan_id,
        score=scored.score,
        slice_scores=tuple(scored.slice_scores.tolist()),
        positions=scored.positions,
        files=(
            MapFile(HeatmapKind.MONTAGE, map_path(model_id, scan.sha256, SUFFIX), sheet),
            MapFile(
                HeatmapKind.VOLUME,
                map_path(model_id, scan.sha256, NIFTI_SUFFIX),
                nifti_map(anomaly, volume, scale, about),
            ),
        ),
        anomaly=anomaly,
    )


def prepared_volume(fitted: FittedModel, scan: PreparedScan) -> PreparedVolume:
    """A prepared scan as the prepared volume that it was."""
    return PreparedVolume(
        batch=scan.batch,
        placements=scan.placements,
        positions=scan.positions,
        n_slices=scan.n_slices,
        places=scan.places,
        window=scan.window,
        sliced=cut(_stored(scan).load(), volume_recipe(fitted.recipe).slicing),
    )


def map_path(model_id: int, sha256: str, suffix: str) -> str:
    """Where a scan's map goes, relative to the home."""
    return f"heatmaps/model-{model_id}/{sha256[:2]}/{sha256}{suffix}"


def _stored(scan: PreparedScan) -> StoredVolume:
    assert isinstance(scan.scan, StoredVolume), "models judge their kind"
    return scan.scan


def draw_heatmap(
    pixels: Pixels,
    anomaly_map: NDArray[np.float32],
    placement: Placement,
    fitted: FittedModel,
    score: float,
    model_id: int,
) -> bytes:
    """The scan under its map, on the model's colour scale, as a picture file.

    A heatmap belongs to a score, and a score knows no threshold: the caption gives no verdict,
    which a later threshold could turn.
    """
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    caption = f"score {score:.3g}, model {model_id}"
    return encode(overlay(pixels, restore(anomaly_map, placement), scale, caption))
