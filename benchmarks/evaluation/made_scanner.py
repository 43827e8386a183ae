"""Heads as a scanner that does not exist would show them: made from those of one that does."""

from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

THICK: Final = 2  # slices averaged to one, from below upwards
EXPONENT: Final = 0.8  # of grey values between 0 and 1: darker tissue becomes brighter
SHADING: Final = 0.2  # log of the coil's gain where it is strongest, and minus that where weakest
NOISE: Final = 0.03  # standard deviation of the receiver's noise, of the brightest tissue
BRIGHTEST: Final = 99.5  # percentile
GAIN: Final = 400.0  # grey value of the brightest tissue


def on_another_scanner(head: nib.Nifti1Image, seed: int) -> nib.Nifti1Image:
    """A volume (X, Y, Z), RAS, in slices twice as thick, with other grey values and noise.

    The curve of grey values and the coil's shading are the scanner's own, the same in all heads;
    the noise is drawn by the seed.
    """
    values = np.clip(head.get_fdata(dtype=np.float32), 0, None)
    levels = values.shape[2] // THICK
    thick = values[:, :, : levels * THICK].reshape(*values.shape[:2], levels, THICK).mean(axis=3)
    grey = (thick / np.percentile(values, BRIGHTEST)) ** EXPONENT * _shading(thick.shape)
    noise = NOISE * np.random.default_rng(seed).standard_normal((2, *grey.shape))
    made = np.hypot(grey + noise[0], noise[1]) * GAIN
    affine = np.array(head.affine, np.float64)
    affine[:3, 3] += affine[:3, 2] * (THICK - 1) / 2  # the middle of the slices averaged
    affine[:3, 2] *= THICK
    return nib.Nifti1Image(np.rint(made).astype(np.int16), affine)


def _shading(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The gain of a coil that is nearer to the back of the head, its left and its top."""
    right, front, up = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    field = (-right - 2 * front + up) / 4
    return np.asarray(np.exp(SHADING * field), np.float64)
