"""Pictures of a list: of a volume the slice that shows most."""

import io

import numpy as np
from PIL import Image

from mriad_model.heatmaps.montage_layout import CELL, tile_boxes
from tests.web.conftest import Pages


def test_a_volume_is_listed_by_the_slice_on_which_the_map_paints_most(pages: Pages) -> None:
    scan_id = pages.volume()
    montage = Image.new("RGB", (996, 2 * CELL + 90), (17, 17, 17))
    for number, box in enumerate(tile_boxes(montage.height)):
        montage.paste((40 * number, 40 * number, 40 * number), box)
    montage.paste((250, 200, 40), (400, CELL + 100, 500, CELL + 200))  # on the fifth of six
    montage.save(pages.site.home / "heatmaps/v.jpg")
    text = pages.get("/").text
    assert f'data-scan="{scan_id}"' in text
    address = text.split('<img src="')[1].partition('"')[0]
    answer = pages.get(address)
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.width == small.height
        corner = np.asarray(small.convert("L"))[:8, :8]
    assert abs(float(corner.mean()) - 160) < 8
