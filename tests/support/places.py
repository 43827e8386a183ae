"""Where the checkout lies, and the real images beside it, which are not part of it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared/data"
