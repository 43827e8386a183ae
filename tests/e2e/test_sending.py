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

from db.repository.scoring.sendings import sendings
from mriad_model.dicom_outputs import available, dicom_outputs
from tasks.sending.send import SendingOptions, SendingResult, send_outputs
from tests.mriad_model.conftest import SeriesWriter
from tests.mriad_model.dicom_outputs.conftest import Decisions
from tests.support.processes.waiting import until
from tests.tasks.sending.conftest import Outputs, capture, home_with_outputs

WEB_ROOT = "/dicom-web/"
DICOMWEB = (Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),)
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
            "Plugins": [str(each) for each in DICOMWEB if each.is_file()],
            "DicomWeb": {"Enable": True, "Root": WEB_ROOT, "EnableWado": False},
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

    @property
    def node(self) -> str:
        """Its address for C-STORE."""
        return f"dicom://PACS@127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        """Its address for STOW-RS."""
        return f"http://127.0.0.1:{self.http}{WEB_ROOT}"

    def require_dicomweb(self) -> None:
        """Skip a test where Orthanc has no DICOMweb."""
        if "dicom-web" not in (self.get("plugins") or ()):
            pytest.skip("Orthanc's DICOMweb plugin is not installed")

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


def send(outputs: Outputs, address: str) -> SendingResult:
    run_id = outputs.kept.hand.run(f"sends {len(outputs.kept.hand.runs)}")
    return send_outputs.fn(outputs.home, run_id, SendingOptions(address))


@pytest.mark.parametrize("protocol", ["C-STORE", "STOW-RS"])
def test_orthanc_takes_the_three_objects_once_and_shows_them_back(
    outputs: Outputs, pacs: Pacs, protocol: str
) -> None:
    if protocol == "STOW-RS":
        pacs.require_dicomweb()
    address = pacs.node if protocol == "C-STORE" else pacs.web
    assert send(outputs, address) == SendingResult(3, 0)
    assert send(outputs, address) == SendingResult(0, 0)
    assert {each.detail for each in sendings(outputs.kept.engine)} == {"taken"}
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


def test_what_orthanc_has_already_is_taken_whichever_way_it_came(
    outputs: Outputs, pacs: Pacs
) -> None:
    pacs.require_dicomweb()
    assert send(outputs, pacs.node) == SendingResult(3, 0)
    assert send(outputs, pacs.web) == SendingResult(3, 0)
    assert len(pacs.get("instances")) == 3


def test_orthanc_refuses_an_object_of_no_study_and_takes_the_others(
    outputs: Outputs, pacs: Pacs
) -> None:
    pacs.require_dicomweb()
    outputs.add(data=capture(of_a_study=False))
    found = send(outputs, pacs.web)
    assert (found.sent, found.failed) == (3, 1)
    assert len(pacs.get("instances")) == 3


def test_with_a_wrong_address_orthanc_is_said_to_refuse(outputs: Outputs, pacs: Pacs) -> None:
    pacs.require_dicomweb()
    found = send(outputs, pacs.web.replace("dicom-web", "dicomweb"))
    assert found == SendingResult(0, 3, "the server refused it, status 404")
