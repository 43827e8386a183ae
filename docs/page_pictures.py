"""Pictures of the reader's pages, as Chromium shows them to somebody who is signed in.

python -m docs.page_pictures HOME FOLDER    # every page of a home, in each size, to look at
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

MRIAD = str(Path(sys.executable).with_name("mriad"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = (1366, 768)  # pixels
JPEG_QUALITY = 85
# picture -> (address, what is clicked there, what is waited for)
PICTURES: dict[str, tuple[str, str | None, str]] = {
    "worklist.jpg": ("/", None, "tr.selected img"),
    "scan.jpg": (
        "/scan/{scan}",
        "[data-do=view]:not([disabled]):nth-of-type(2)",
        "[data-view=axial] .map",
    ),
}
# A small screen, a large one, the small one at 125 %, a tablet.
SIZES = ((1366, 768), (1920, 1080), (1093, 614), (820, 1180))
PAGES = {
    "worklist": "/",
    "all": "/?verdict=any&reviewed=any&sort=newest",
    "scan": "/scan/{scan}",
    "population": "/population",
    "trends": "/trends",
    "runs": "/runs",
    "rejections": "/rejections",
    "models": "/models",
    "compare": "/models/compare?one=1&other=2",
    "threshold": "/threshold",
}
WAIT_MS = 60_000
RENAME = """([folder, name]) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    walker.currentNode.textContent = walker.currentNode.textContent.replaceAll(folder, name);
  }
}"""


@contextmanager
def signed_in(browser: str, home: Path) -> Iterator[tuple[Any, str]]:
    """Serve a home's pages: a tab of Chromium that is signed in, and where the pages begin."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - for developers alone

    command = [MRIAD, "web", "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = ""
            while not said.endswith("}\n"):
                said += server.stdout.readline()
            sign_in = json.loads(said)["sign_in"]
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=browser, args=["--no-sandbox"]
                )
                tab = chromium.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
                tab.set_default_timeout(WAIT_MS)
                tab.goto(sign_in)
                tab.wait_for_url("**/")
                yield tab, sign_in.partition("/sign-in")[0]
                chromium.close()
        finally:
            server.terminate()


def take_pages(browser: str, home: Path, scan: str, plain: str, folder: Path) -> None:
    """Take the handbook's pictures of a home's pages into a folder.

    The folder that the home lies in goes by a plain name, as the tutorial prints it.
    """
    with signed_in(browser, home) as (tab, base):
        for name, (address, click, awaited) in PICTURES.items():
            tab.goto(base + address.format(scan=scan))
            if click is not None:
                tab.click(click)
            tab.wait_for_selector(awaited)
            tab.wait_for_load_state("networkidle")
            tab.evaluate(RENAME, [str(home.parent), plain])
            _save(tab.screenshot(), folder / name)


def take_every_page(browser: str, home: Path, folder: Path) -> None:
    """Take every page in each size, the worst scan's among them, as `PAGE-WIDTH.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    with signed_in(browser, home) as (tab, base):
        worst = tab.locator("tr[data-scan]").first
        scan = worst.get_attribute("data-scan") if worst.count() else "1"
        for width, height in SIZES:
            tab.set_viewport_size({"width": width, "height": height})
            for name, address in PAGES.items():
                tab.goto(base + address.format(scan=scan))
                tab.wait_for_load_state("networkidle")
                tab.screenshot(path=folder / f"{name}-{width}.png")


def _save(data: bytes, path: Path) -> None:
    scratch = path.with_suffix(".png")
    scratch.write_bytes(data)
    with Image.open(scratch) as picture:
        picture.convert("RGB").save(path, quality=JPEG_QUALITY, optimize=True)
    scratch.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit("mriad: no Chromium on the PATH; on Debian: apt-get install chromium")
    take_every_page(chromium, Path(sys.argv[1]), Path(sys.argv[2]))
