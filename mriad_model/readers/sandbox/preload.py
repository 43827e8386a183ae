"""What the fork server imports, once, so that a child starts in milliseconds.

No other module imports this one: it is the only one that does something on import. A library
of linear algebra starts its threads as it is loaded, and threads do not survive a fork.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import mriad_model.readers.dicom.reading  # noqa: E402
import mriad_model.readers.images.reading  # noqa: E402
import mriad_model.readers.nifti.reading  # noqa: E402, F401
