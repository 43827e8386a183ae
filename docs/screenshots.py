"""Types the tutorial into a folder of its own, and takes the handbook's pictures of its pages.

python -m docs.screenshots [FOLDER]     # some minutes; needs Chromium

What the tutorial prints goes to stdout, so that its text can be compared. With a FOLDER in which
it has been typed already, only the pictures are taken.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from docs.generate import DOCS
from docs.page_pictures import BROWSERS, take_pages

TUTORIAL = DOCS / "tutorial.md"
COMMAND = re.compile(r"^\$ (mriad .*)$", re.MULTILINE)
NO_BROWSER = "mriad: no Chromium on the PATH; on Debian: apt-get install chromium"
MRIAD = str(Path(sys.executable).with_name("mriad"))
SHOWN = "67"  # id of a scan with an infarct
WIDTH = 1100  # pixels
EXAMPLE_FOLDER = "/home/you/lesson"  # as the tutorial prints it
# picture -> the page it shows, below the home, and how much of it, in pixels from the top
PICTURES = {
    "run-report.png": ("reports/score-run-*.html", 820),
    "weekly-report.png": ("reports/week-*.html", 820),
}


def typed_commands() -> list[list[str]]:
    """What the tutorial has typed, in turn."""
    return [shlex.split(line) for line in COMMAND.findall(TUTORIAL.read_text())]


def take(browser: str, page: Path, folder: Path, picture: Path, height: int) -> None:
    """Take a picture of the top of a page; the folder that was typed in gets a plain name."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, page.name)
        copy.write_text(page.read_text().replace(str(folder), EXAMPLE_FOLDER))
        options = ["--headless", "--no-sandbox", "--hide-scrollbars"]
        options += [f"--window-size={WIDTH},{height}", f"--screenshot={picture}"]
        subprocess.run([browser, *options, copy.as_uri()], check=True, capture_output=True)


def copy_montage(folder: Path) -> None:
    """The montage of the scan with an infarct, as its record names it."""
    home = folder / "mriad-home"
    command = [MRIAD, "show", SHOWN, "--json", "--home", str(home)]
    shown = subprocess.run(command, check=True, capture_output=True)
    drawn = json.loads(shown.stdout)["scores"][0]["heatmaps"]
    montage = next(each["path"] for each in drawn if each["kind"] == "montage")
    with Image.open(home / montage) as picture:
        picture.save(DOCS / "images" / "infarct.jpg", quality=80)


def main() -> int:
    """Type the tutorial, take the pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"{NO_BROWSER}\n")
        return 1
    (DOCS / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(*sys.argv[1:2] or [made]).resolve()
        environment = {**os.environ, "MRIAD_HOME": str(folder / "mriad-home")}
        for command in [] if sys.argv[1:] else typed_commands():
            sys.stdout.write(f"$ {shlex.join(command)}\n")
            sys.stdout.flush()
            run = [MRIAD, *command[1:]]
            subprocess.run(run, cwd=folder, env=environment, check=True)
        for picture, (pattern, height) in PICTURES.items():
            page = max((folder / "mriad-home").glob(pattern))
            take(browser, page, folder, DOCS / "images" / picture, height)
        copy_montage(folder)
        take_pages(browser, folder / "mriad-home", SHOWN, EXAMPLE_FOLDER, DOCS / "images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
