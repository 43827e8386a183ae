"""DICOM outputs as mriad makes them, sent to Orthanc, which shows them back."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from mriad_model.dicom_outputs import available, dicom_outputs
from tasks.sending.send import SendingOptions, SendingResult, send_outputs
from tests.mriad_model.conftest import SeriesWriter
from tests.mriad_model.dicom_outputs.conftest import Decisions
from tests.support.processes.waiting import until
from tests.tasks.sending.conftest import Outputs, home_with_outputs

ORTHANC = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = [
    pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not installed"),
    pytest.mark.skipif(not available(), reason="highdicom is not installed"),
]


class Pacs:
    """Orthanc as a PACS: any sender on this machine may store, and a page shows what there is."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port, self.http = _free_port(), _free_port()
        configuration = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [],
            "DicomAet": "PACS",
            "DicomCheckCalledAet": True,
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(ORTHANC), folder / "orthanc.json"], stdout=log, stderr=log
            )

    def get(self, path: str) -> Any:
        """What its web server answers; None before it does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}") as answer:
                return json.load(answer)
        except OSError:
            return None

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Pacs]:
    made = Pacs(tmp_path / "pacs")
    try:
        until(lambda: made.get("system"), "Orthanc to start")
        yield made
    finally:
        made.stop()


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    """The three objects of a decision on a series."""
    pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")
    series = SeriesWriter(tmp_path / "scanner")
    series.classic()
    (tmp_path / "scratch").mkdir()
    (job,) = Decisions(series.folder, tmp_path / "scratch").jobs()
    made = home_with_outputs(tmp_path / "home")
    for kind, data in dicom_outputs(job).items():
        made.add(data=data, kind=kind)
    return made


def send(outputs: Outputs, pacs: Pacs) -> SendingResult:
    options = SendingOptions(f"dicom://PACS@127.0.0.1:{pacs.port}")
    return send_outputs.fn(outputs.home, outputs.kept.hand.run("sends"), options)


def test_orthanc_takes_the_three_objects_once_and_shows_them_back(
    outputs: Outputs, pacs: Pacs
) -> None:
    assert send(outputs, pacs) == SendingResult(3, 0)
    assert send(outputs, pacs) == SendingResult(0, 0)
    shown = {}
    for each in pacs.get("instances"):
        with urllib.request.urlopen(
            f"http://127.0.0.1:{pacs.http}/instances/{each}/file"
        ) as answer:
            kept = dcmread(BytesIO(answer.read()))
        shown[str(kept.SOPInstanceUID)] = kept
    assert shown.keys() == set(outputs.uids)
    assert {each.Modality for each in shown.values()} == {"OT", "SEG", "SR"}
    assert len({each.StudyInstanceUID for each in shown.values()}) == 1  # of their source
    assert len(pacs.get("studies")) == 1
