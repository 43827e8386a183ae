"""The recipe of docs/orthanc.md, with the very files it tells to install."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from db.repository.intake.scans import scans_by_id
from mriad_model.dicom_outputs import available, dicom_outputs
from mriad_model.phantom.lesions import Lesion
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from tests.conftest import REPOSITORY
from tests.mriad_model.conftest import SeriesWriter
from tests.mriad_model.dicom_outputs.conftest import Decisions
from tests.support.processes.waiting import until
from tests.support.scans.phantoms import score, write_head
from tests.support.scans.survey import survey
from tests.tasks.conftest import bench_in

RECIPE = REPOSITORY / "docs/orthanc"
ORTHANC = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
TOOLS = ("storescu", "echoscu")  # of dcmtk
pytestmark = [
    pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not installed"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="dcmtk is not installed"),
]


class Mailbox:
    """Orthanc, as the recipe sets it up, but for its places, its port and its patience."""

    def __init__(self, folder: Path) -> None:
        self.inbox, self.log = folder / "inbox", folder / "log"
        storage = folder / "storage"
        for each in (self.inbox, storage):
            each.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        environment = {
            **os.environ,
            "MRIAD_INBOX": str(self.inbox),
            "MRIAD_ORTHANC": str(storage),
            "MRIAD_ORTHANC_SCRIPT": str(RECIPE / "inbox.lua"),
            "MRIAD_DICOM_PORT": self.port,
            "MRIAD_STABLE_AGE": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [ORTHANC, RECIPE / "orthanc.json"], env=environment, stdout=log, stderr=log
            )

    def answers(self):
        return self._call("echoscu") == 0

    def send(self, *paths, sender="SENDER"):
        """Store files by DICOM; the exit status."""
        return self._call("storescu", "--required", "--propose-jpeg8", *paths, sender=sender)

    def _call(self, tool, *arguments, sender="SENDER"):
        to = ("-aet", sender, "-aec", "MRIAD", "127.0.0.1", self.port)
        flags = [each for each in arguments if str(each).startswith("--")]
        paths = [each for each in arguments if each not in flags]
        if paths:
            flags.append("--scan-directories")
        command = [tool, *flags, *to, *paths]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

    def folders(self):
        """The inbox as mriad lists it: hidden names are passed over."""
        return sorted(path for path in self.inbox.iterdir() if not path.name.startswith("."))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture
def mailbox(tmp_path):
    box = Mailbox(tmp_path)
    try:
        until(box.answers, "Orthanc to start")
        yield box
    finally:
        box.stop()


@pytest.fixture
def series(tmp_path):
    writer = SeriesWriter(tmp_path / "scanner")
    writer.classic()
    return writer


def volume_in(folder):
    (only,) = survey(list_files(folder)).series
    return read_series(only)


def test_a_stable_series_lies_in_the_inbox_complete_and_without_names(mailbox, series):
    assert mailbox.send(series.folder) == 0
    (folder,) = until(mailbox.folders, "the series")
    assert volume_in(folder).sha256 == volume_in(series.folder).sha256
    names = {path.name for path in folder.iterdir()} - {".complete"}
    assert (folder / ".complete").is_file()
    assert len(names) == 12
    assert all(re.fullmatch(r"[0-9a-f-]+\.dcm", name) for name in names)
    assert re.fullmatch(r"[0-9a-f-]+-\d{8}T\d{6}", folder.name)
    assert folder.stat().st_mode & 0o077 == 0
    assert "Doe" not in mailbox.log.read_text()


def test_a_series_from_the_inbox_is_scored(mailbox, taught_once, tmp_path):
    """Late slices come in a folder of their own, with copies of all: that is the scan to score."""
    bench = bench_in(Path(shutil.copytree(taught_once, tmp_path / "home")))
    write_head(tmp_path / "scanner", 21, Lesion.MASS)
    *early, late = sorted((tmp_path / "scanner").iterdir())
    assert mailbox.send(*early) == 0
    until(mailbox.folders, "the series")
    first = score(bench, mailbox.inbox)
    assert (first.decided, first.read.rejected) == (1, [])
    assert mailbox.send(late) == 0
    until(lambda: len(mailbox.folders()) == 2, "the series with its last slice")
    second = score(bench, mailbox.inbox)
    assert (second.decided, second.read.rejected) == (1, [])
    assert score(bench, mailbox.inbox).decided == 0
    ((half, _),), ((whole, _),) = first.read.seen, second.read.seen
    scans = scans_by_id(bench.engine, [half, whole])
    assert [scans[half].n_slices, scans[whole].n_slices] == [len(early), len(early) + 1]
    assert scans[half].series_uid == scans[whole].series_uid


def test_a_slice_that_comes_late_makes_a_folder_of_its_own(mailbox, series):
    *early, late = sorted(series.folder.iterdir())
    assert mailbox.send(*early) == 0
    (first,) = until(mailbox.folders, "the series")
    before = sorted(first.iterdir())
    assert mailbox.send(late) == 0
    until(lambda: len(mailbox.folders()) == 2, "the series with its last slice")
    (second,) = set(mailbox.folders()) - {first}
    assert sorted(first.iterdir()) == before
    assert volume_in(second).sha256 == volume_in(series.folder).sha256


@pytest.mark.skipif(not available(), reason="highdicom is not installed")
def test_outputs_of_mriad_can_be_stored_and_do_not_come_back(mailbox, series, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for kind, data in dicom_outputs(Decisions(series.folder, tmp_path).job()).items():
        (made / f"{kind}.dcm").write_bytes(data)
    assert mailbox.send(made) == 0
    assert mailbox.send(series.folder) == 0  # stable after the outputs
    (folder,) = until(mailbox.folders, "the series")
    assert len(list(folder.glob("*.dcm"))) == 12


def test_a_sender_that_is_not_listed_is_turned_away(mailbox, series):
    assert mailbox.send(series.folder, sender="STRANGER") != 0
