"""Pages of a small record that was filled by hand, with drawn pictures; asked as a browser asks."""

import hashlib
import json
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import uvicorn
from PIL import Image
from sqlalchemy import Engine
from starlette.testclient import TestClient

from db.engine.connect import open_record
from db.entities import Scan, Sighting
from db.repository.intake.scans import register_scans
from db.repository.reports.reviews import standing_reviews
from db.repository.reports.scan_details import scan_details
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from db.repository.training.models import activate
from mriad_model.enums import DecisionReason, HeatmapKind, ScanKind, Side, Verdict
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tests.support.record.hand import NOON, Hand, sha
from web.access import Access, SignIn, sign_in_token
from web.app import create_app
from web.site import Site
from web.worklist.decision_index import DecisionIndex

HOST = "127.0.0.1:4280"
ORIGIN = f"http://{HOST}"
SECRET = b"s" * 32
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WHY_NOT = "no Chromium and playwright on this machine"
# Without a graphics card WebGL2 is drawn in software.
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
AFFINE = [-1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 1.0]
SIDE, BAND = 64, 20  # pixels: of a picture, of the text below its map


@dataclass
class Pages:
    """A site, and a browser that is signed in to it."""

    site: Site
    hand: Hand
    browser: TestClient
    model_id: int
    threshold_id: int
    begun: list[list[str]] = field(default_factory=list)  # commands

    def picture(
        self,
        name: str,
        value: float,
        *,
        scanner: str | None = None,
        patient: str | None = None,
        folder: str = "inbox",
        now: str = NOON,
        verdict: Verdict | None = None,
        reason: DecisionReason | None = None,
        findings: Sequence[FoundPart] = (),
    ) -> int:
        """A scan with a source picture and a map, decided; its id."""
        home, file = self.site.home, f"{folder}/{name}"
        (home / folder).mkdir(parents=True, exist_ok=True)
        Image.new("L", (SIDE, SIDE), 90).save(home / file, "PNG")
        status = (home / file).stat()
        grid = f'{{"rows": {SIDE}, "columns": {SIDE}, "bits": 8}}'
        run_id = self.hand.run()
        scan = Scan(sha(name), ScanKind.IMAGE, patient, None, None, scanner, grid, 1, run_id, NOON)
        seen = Sighting(
            0, file, status.st_size, status.st_mtime_ns, status.st_ino, run_id, NOON,
            ctime_ns=status.st_ctime_ns,
        )  # fmt: skip
        (found,) = register_scans(self.site.engine, [(scan, [seen])])
        self.decide(found.scan_id, value, now, verdict, reason, findings)
        return found.scan_id

    def decide(
        self,
        scan_id: int,
        value: float,
        now: str = NOON,
        verdict: Verdict | None = None,
        reason: DecisionReason | None = None,
        findings: Sequence[FoundPart] = (),
    ) -> None:
        path = f"heatmaps/{scan_id}.jpg"
        target = self.site.home / path
        target.parent.mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE + BAND), (200, 90, 20)).save(target, "JPEG")
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        row = ScoredScan(
            scan_id,
            value,
            heatmaps=[HeatmapFile(HeatmapKind.SLICE, 0, path, digest)],
            verdict=verdict or (Verdict.SUSPICIOUS if value > 0.5 else Verdict.NORMAL),
            reason=reason,
            p_value=0.25,
            findings=findings,
        )
        append_scored(
            self.site.engine, self.model_id, self.threshold_id, [row],
            run_id=self.hand.run(), now=now,
        )  # fmt: skip

    def volume(self, name: str = "v", value: float = 0.9) -> int:
        """A volume of 8 slices, decided, its view written as `tasks.reports.volume_view` does."""
        seen = self.hand.series(
            name, [f"inbox/{name}/1.dcm"], n_files=1, shape=[8, 24, 20], affine=AFFINE,
            contrast="FLAIR",
        )  # fmt: skip
        (found,) = register_scans(self.site.engine, [seen])
        montage = f"heatmaps/{name}.jpg"
        (self.site.home / "heatmaps").mkdir(exist_ok=True)
        Image.new("RGB", (4 * SIDE, 2 * SIDE), (200, 90, 20)).save(self.site.home / montage)
        maps = [
            HeatmapFile(HeatmapKind.MONTAGE, 0, montage, sha(montage)),
            HeatmapFile(HeatmapKind.VOLUME, 0, f"heatmaps/{name}.nii.gz", sha(name + ".nii.gz")),
        ]
        row = ScoredScan(
            found.scan_id,
            value,
            (0.1, value, 0.2),
            maps,
            Verdict.SUSPICIOUS,
            0.1,
            positions=(2, 5, 6),
            findings=[FoundPart(3.25, 9.0, (-5.0, -4.0, 12.0), Side.LEFT)],  # voxel 5, 4, 6
        )
        recipe = '{"volumes": {"slicing": {"plane": "axial"}}}'
        model_id = self.hand.model(1, "volumes", recipe)
        threshold_id = self.hand.threshold(model_id, 1)
        append_scored(self.site.engine, model_id, threshold_id, [row], self.hand.run(), NOON)
        (score,) = scan_details(self.site.engine, found.scan_id).scores
        drawn = score.heatmaps[1]
        folder = self.site.home / f"views/{found.scan_id}-{drawn.id}-{drawn.sha256[:16]}"
        folder.mkdir(parents=True)
        voxels = np.arange(20 * 24 * 8, dtype=np.uint8).reshape(20, 24, 8)
        for file in ("source.nii", "map.nii"):
            nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(folder / file)
        np.save(folder / "tables.npy", np.full((256, 4), 90, np.uint8))
        about = {"shape": voxels.shape, "spacing": [1.0, 1.0, 2.0]}
        (folder / "view.json").write_text(json.dumps(about))
        return found.scan_id

    @property
    def address(self) -> str:
        """Where a browser finds them."""
        return f"http://{self.site.access.hosts[0]}"

    def get(self, address: str, **given: Any) -> Any:
        return self.browser.get(address, **given)

    def form(self, address: str, **fields: object) -> Any:
        """A form of ours, sent by our own page."""
        session = self.browser.cookies[self.site.access.cookie]
        token = self.site.access.form_token(session)
        return self.browser.post(
            address,
            data={"token": token, **fields},
            headers={"Origin": ORIGIN},
            follow_redirects=False,
        )

    def review(self, scan_id: int, answer: str, **fields: object) -> Any:
        if answer == "withdraw":
            held = standing_reviews(self.site.engine, scan_id)
            fields = {"held": held[-1].id if held else 1, **fields}
        return self.form(f"/scan/{scan_id}/review", answer=answer, **fields)

    def listed(self, query: str = "") -> list[int]:
        """The scans of a query, in its order."""
        return [each["scan_id"] for each in self.get(f"/worklist.json{query}").json()["scans"]]


@contextmanager
def record_in(migrated: Path, folder: Path) -> Iterator[Engine]:
    """An empty record in a home in this folder."""
    shutil.copytree(migrated, folder / "home")
    made = open_record(folder / "home")
    yield made
    made.dispose()


def site_in(folder: Path, engine: Engine) -> Site:
    home = folder / "home"
    access = Access(SECRET, (HOST, "localhost:4280"), home / "web.used")
    return Site(home, engine, DecisionIndex(engine), access, "reader")


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    with record_in(migrated, tmp_path) as made:
        yield made


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> Site:
    return site_in(tmp_path, engine)


@pytest.fixture
def app(site: Site) -> SignIn:
    return create_app(site)


@pytest.fixture
def stranger(app: SignIn) -> TestClient:
    """Somebody on this machine, who is not signed in."""
    return TestClient(app, base_url=ORIGIN, raise_server_exceptions=True)


@pytest.fixture
def pages(site: Site, app: SignIn) -> Pages:
    browser = TestClient(app, base_url=ORIGIN)
    assert browser.get(f"/sign-in?token={sign_in_token(SECRET)}").status_code == 200
    hand = Hand(site.engine)
    return Pages(site, hand, browser, *hand.ready(AUTOENCODER.to_json()))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    playwright = pytest.importorskip("playwright.sync_api", reason=WHY_NOT)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def serving(site: Site) -> Iterator[Pages]:
    """The pages at a port of this machine; activating is done at once, other commands are noted."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    begun: list[list[str]] = []

    def begin(arguments: list[str], given: str) -> None:
        begun.append([*arguments, given])
        if arguments[0] == "activate":
            activate(site.engine, int(arguments[1]), given, "me")

    access = Access(SECRET, (f"127.0.0.1:{port}",), site.access.used)
    here = replace(site, access=access, begin=begin)
    app = create_app(here)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    hand = Hand(site.engine)
    browser = TestClient(app, base_url=f"http://127.0.0.1:{port}")
    yield Pages(here, hand, browser, *hand.ready(AUTOENCODER.to_json()), begun)
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def served(site: Site) -> Iterator[Pages]:
    with serving(site) as pages:
        yield pages


@contextmanager
def signed_in(chromium: Any, served: Pages) -> Iterator[tuple[Any, list[str]]]:
    """A tab that is signed in, and what went wrong in a script of a page, or was said by one."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.goto(f"{served.address}/sign-in?token={sign_in_token(SECRET)}")
    tab.wait_for_url(f"{served.address}/")
    yield tab, wrong
    context.close()


@pytest.fixture
def tab(chromium: Any, served: Pages) -> Iterator[Any]:
    """A tab that is signed in; it fails where a script of a page does, or says so."""
    with signed_in(chromium, served) as (tab, wrong):
        yield tab
    assert wrong == []
