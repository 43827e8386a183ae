"""Pictures of the reader's pages, as Chromium shows them to somebody who is signed in."""

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

MRIAD = str(Path(sys.executable).with_name("mriad"))
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
WAIT_MS = 60_000
RENAME = """([folder, name]) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    walker.currentNode.textContent = walker.currentNode.textContent.replaceAll(folder, name);
  }
}"""


def take_pages(browser: str, home: Path, scan: str, plain: str, folder: Path) -> None:
    """Serve a home's pages, sign in, take each picture into a folder.

    The folder that the home lies in goes by a plain name, as the tutorial prints it.
    """
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
                base = sign_in.partition("/sign-in")[0]
                for name, (address, click, awaited) in PICTURES.items():
                    tab.goto(base + address.format(scan=scan))
                    if click is not None:
                        tab.click(click)
                    tab.wait_for_selector(awaited)
                    tab.wait_for_load_state("networkidle")
                    tab.evaluate(RENAME, [str(home.parent), plain])
                    _save(tab.screenshot(), folder / name)
                chromium.close()
        finally:
            server.terminate()


def _save(data: bytes, path: Path) -> None:
    scratch = path.with_suffix(".png")
    scratch.write_bytes(data)
    with Image.open(scratch) as picture:
        picture.convert("RGB").save(path, quality=JPEG_QUALITY, optimize=True)
    scratch.unlink()
