"""Imported once by the fork server, so that children start in milliseconds; by no other module.

It acts on import: a library of linear algebra starts threads as it is loaded, and threads do not
survive a fork.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import mriad_model.readers.dicom.reading  # noqa: E402
import mriad_model.readers.images.reading  # noqa: E402
import mriad_model.readers.nifti.reading  # noqa: E402, F401
