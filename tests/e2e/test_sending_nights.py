"""Nights with a PACS: results of a DICOM series arrive there once, also where it was down."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db.repository.runs import runs_since
from db.repository.scoring.sendings import count_outputs, sendings
from flows.nightly import nightly
from flows.runtime import sending
from mriad_model.dicom_outputs import available
from mriad_model.phantom.lesions import Lesion
from tasks.runtime.connections import database
from tasks.sending.send import send_outputs
from tests.support.processes.commands import run
from tests.support.scans.phantoms import write_head
from tests.tasks.sending.conftest import AE_TITLE, Node

pytestmark = pytest.mark.skipif(not available(), reason="highdicom is not installed")


@dataclass
class Site:
    """A home with a model of volumes, and a PACS that is on or off."""

    home: Path
    port: int
    nodes: list[Node] = field(default_factory=list)

    def turn_on(self) -> Node:
        self.nodes.append(Node(self.port, kinds=True))
        return self.nodes[-1]

    def turn_off(self) -> None:
        while self.nodes:
            self.nodes.pop().stop()

    def deliver(self, name: str, number: int) -> None:
        write_head(self.home / "inbox" / name, number, Lesion.MASS)
        (self.home / "inbox" / name / ".complete").touch()

    @property
    def outputs(self) -> int:
        """How many DICOM outputs were made: picture and report, a segmentation where it finds."""
        return count_outputs(database(str(self.home)), "")

    def attempts(self) -> list[tuple[bool, str]]:
        """Whether each was taken, and what was said of it."""
        rows = sendings(database(str(self.home)))
        return [(each.delivered is not None, each.detail) for each in rows]


@pytest.fixture
def site(
    prefect_server: None, taught_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")
    from prefect.settings import PREFECT_API_URL

    shutil.copytree(taught_once, tmp_path / "home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Site(tmp_path / "home", free.getsockname()[1])
    for name, value in {
        "MRIAD_SEND_TO": f"dicom://{AE_TITLE}@127.0.0.1:{made.port}",
        "MRIAD_DEVICE": "cpu",
        "MRIAD_PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "MRIAD_OWN_PREFECT": "true",
    }.items():
        monkeypatch.setenv(name, value)
    soon = send_outputs.with_options(retry_delay_seconds=[0, 0])
    monkeypatch.setattr(sending, "send_outputs", soon)
    yield made
    made.turn_off()


def test_a_series_that_is_scored_arrives_at_the_pacs_once(site: Site) -> None:
    node = site.turn_on()
    site.deliver("24", 21)
    assert nightly(site.home).scoring.scored == 1
    n = site.outputs
    assert n >= 2
    assert len(node.taken) == len(set(node.taken)) == n
    assert site.attempts() == [(True, "taken")] * n
    night = nightly(site.home)
    assert (night.scoring.scored, night.scoring.warnings) == (0, [])
    assert (len(node.taken), len(site.attempts())) == (n, n)


def test_a_pacs_that_was_down_gets_the_results_the_next_night_and_the_pages_say_so(
    site: Site,
) -> None:
    site.deliver("24", 21)
    night = nightly(site.home)
    n = site.outputs
    address = f"dicom://{AE_TITLE}@127.0.0.1:{site.port}"
    said = f"{n} of {n} DICOM outputs not sent yet: {address} does not answer: connection refused"
    page = (site.home / night.scoring.report).read_text()
    assert said in page
    assert page.index(said) < page.index("Suspicious scans, worst first")
    assert {done for done, _ in site.attempts()} == {False}
    node = site.turn_on()
    night = nightly(site.home)
    assert len(node.taken) == len(set(node.taken)) == n
    assert "not sent yet" not in (site.home / night.scoring.report).read_text()
    assert [done for done, _ in site.attempts() if done] == [True] * n
    nightly(site.home)
    assert len(node.taken) == n
    flows = {row.id: row.flow for row, _ in runs_since(database(str(site.home)), "")}
    senders = {flows[each.run_id] for each in sendings(database(str(site.home)))}
    assert senders == {"send_outputs"}


@pytest.mark.parametrize("emptied", [False, True])
def test_scoring_a_folder_again_sends_what_was_left(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], emptied: bool
) -> None:
    folder = tmp_path / "scans"
    write_head(folder / "24", 21, Lesion.MASS)
    status, out, err = run(capsys, "score", folder, "--home", site.home)
    n = site.outputs
    said = f"{n} of {n} DICOM outputs not sent yet"
    assert (status, said in out) == (0, True), err
    report = next((site.home / "reports").glob("score-run-*.html"))
    assert said in report.read_text()
    if emptied:
        shutil.rmtree(folder / "24")
    node = site.turn_on()
    status, out, _ = run(capsys, "score", folder, "--home", site.home)
    assert (status, "not sent yet" in out) == (0, False)
    assert len(node.taken) == n
    runs = len(runs_since(database(str(site.home)), ""))
    run(capsys, "score", folder, "--home", site.home)
    assert len(node.taken) == n
    assert len(runs_since(database(str(site.home)), "")) == runs  # nothing is new
