"""Gain and field of a scanner, taken off a head in the frame by its ratio to the mean head."""

from functools import lru_cache
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter

from mriad_model.normative.registration.frame import SHAPE, Floats, Matrix
from mriad_model.normative.registration.template import Template

ORDER = 3  # of the field's polynomial, in the logarithm
STIFFNESS = 30.0  # of its terms, times their degree squared: against a field that paints a lesion
ROUNDS = 6
EVERY = 2  # voxel of the brain is looked at
SMOOTHING = (0.7, 0.6, 0.6)  # voxels
HIGHEST = 1.0  # grey value at which a corrected head is cut off


def corrected(head: Floats, inside: np.ndarray, template: Template) -> Floats:
    """A head (52, 64, 64) with the mean's grey values where they are alike, in [0, 1].

    The logarithm of their ratio inside the brain is fitted by a cubic of the place, in rounds
    that give less weight to what lies apart: a lesion changes nothing.
    """
    brain = (template.brain > 0.5) & inside
    if np.count_nonzero(brain) < 1000:
        return np.clip(head, 0, HIGHEST)
    ours, mean = (gaussian_filter(each, SMOOTHING) for each in (head, template.mean))
    brain &= (ours > 0.25 * np.median(ours[brain])) & (mean > 0.35 * np.median(mean[brain]))
    places = np.flatnonzero(brain.ravel())[::EVERY]
    terms = _terms()
    rows = np.stack([term.ravel()[places] for term in terms], 1)  # (n, 20)
    ratio = np.log(np.maximum(mean.ravel()[places], 1e-3) / np.maximum(ours.ravel()[places], 1e-3))
    factors = _fitted(rows, ratio.astype(np.float64))
    field = np.tensordot(factors.astype(np.float32), terms, 1)
    return np.asarray(np.clip(head * np.exp(np.clip(field, -3, 3)), 0, HIGHEST), np.float32)


def _fitted(rows: Matrix, ratio: Matrix) -> Matrix:
    """Factors of the terms, (20,), by rounds of weighted least squares (Geman and McClure)."""
    penalty = np.diag([STIFFNESS * sum(powers) ** 2 for powers in _powers()])
    weight = np.ones(len(ratio))
    factors = np.zeros(rows.shape[1])
    for _ in range(ROUNDS):
        weighted = rows * weight[:, None]
        # Sums in one fixed order: those of a matrix product differ by the number of threads.
        normal = np.einsum("ni,nj->ij", weighted, rows)
        factors = np.linalg.solve(normal + penalty, np.einsum("ni,n->i", weighted, ratio))
        left = ratio - np.einsum("ni,i->n", rows, factors)
        spread = 1.4826 * np.median(np.abs(left)) + 1e-3
        weight = 1 / (1 + (left / (1.5 * spread)) ** 2) ** 2
    return factors


def _powers() -> list[tuple[int, ...]]:
    return [each for each in product(range(ORDER + 1), repeat=3) if sum(each) <= ORDER]


@lru_cache(maxsize=1)
def _terms() -> Floats:
    """The polynomial's terms at every voxel, (20, 52, 64, 64)."""
    z, y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    terms = [np.einsum("z,y,x->zyx", z**a, y**b, x**c) for a, b, c in _powers()]
    found = np.stack(terms).astype(np.float32)
    found.flags.writeable = False  # shared by all who ask
    return found
