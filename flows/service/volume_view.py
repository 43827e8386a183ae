"""Writes a volume's view for the pages: `python -m flows.service.volume_view HOME SCAN MAP FOLDER`.

A process of its own: reading a volume takes libraries and memory that the pages do without.
"""

import os
import sys
from pathlib import Path

from flows.runtime.context import child_context
from mriad_model.errors import MriadError


def main(home: str, scan_id: int, heatmap_id: int, folder: str) -> None:
    """Write the view; status 1 where the volume can't be read any more."""
    os.umask(0o077)
    place = child_context(Path(home))
    from tasks.reports.volume_view import write_view  # noqa: PLC0415 - loads OpenCV

    try:
        write_view(str(place.home), scan_id, heatmap_id, Path(folder))
    except MriadError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
