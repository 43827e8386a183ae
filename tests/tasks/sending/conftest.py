"""A home whose record has DICOM outputs, and a DICOM node in this process that takes them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.timestamps import now
from mriad_model.enums import HeatmapKind, Verdict
from mriad_model.files import write_atomically
from tasks.runtime.connections import choose_database
from tests.support.record.kept import KeptHome, kept_home

AE_TITLE = "PACS"
NAME = "Doe^Jane"


@dataclass
class Outputs:
    """A home with DICOM outputs, each of a scan of its own."""

    kept: KeptHome
    uids: list[str] = field(default_factory=list)

    @property
    def home(self) -> str:
        return str(self.kept.home)

    def add(
        self,
        made_at: str | None = None,
        data: bytes | None = None,
        kind: HeatmapKind = HeatmapKind.SECONDARY_CAPTURE,
    ) -> Path:
        """One more output, decided now."""
        data, number = data or capture(), len(self.uids)
        path = f"heatmaps/model-{self.kept.model_id}/{number}-capture.dcm"
        write_atomically(self.kept.home / path, data)
        made = HeatmapFile(kind, 0, path, hashlib.sha256(data).hexdigest())
        picture = HeatmapFile(HeatmapKind.MONTAGE, 0, f"{path}.jpg", "ab")
        (scan_id,) = self.kept.hand.scans(f"output {number}")
        row = ScoredScan(scan_id, 0.7, (0.7,), (made, picture), Verdict.SUSPICIOUS, 0.25)
        append_scored(
            self.kept.engine,
            self.kept.model_id,
            self.kept.threshold_id,
            [row],
            self.kept.hand.run(),
            made_at or now(),
        )
        self.uids.append(str(dcmread(BytesIO(data), stop_before_pixels=True).SOPInstanceUID))
        return self.kept.home / path


def home_with_outputs(folder: Path) -> Outputs:
    """None yet."""
    kept = kept_home(folder)
    choose_database(str(kept.home), None)
    return Outputs(kept)


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    made = home_with_outputs(tmp_path / "home")
    made.add()
    made.add()
    yield made
    made.kept.engine.dispose()


def capture(*, of_a_study: bool = True) -> bytes:
    """A file of the standard, small; without a study it may not be stored."""
    uid, made = generate_uid(), Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = uid
    if of_a_study:
        made.StudyInstanceUID = made.SeriesInstanceUID = generate_uid()
    made.PatientName, made.PatientID, made.Modality = NAME, "MRN-0042", "OT"
    data = BytesIO()
    made.save_as(data, enforce_file_format=True)
    return data.getvalue()


class Node:
    """A DICOM node that keeps what it takes: captures, or with `kinds` any object."""

    def __init__(self, port: int = 0, *, kinds: bool = False) -> None:
        from pynetdicom import AE, AllStoragePresentationContexts, evt

        self.taken: list[str] = []
        self.answers: list[int] = []  # statuses of the next stores; then success
        self.choking: set[str] = set()  # objects over which it ends the association
        entity = AE(ae_title=AE_TITLE)
        entity.require_called_aet = True
        if kinds:
            for each in AllStoragePresentationContexts:
                entity.add_supported_context(each.abstract_syntax, AllTransferSyntaxes)
        else:
            entity.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
        self.server: Any = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    @property
    def address(self) -> str:
        return f"dicom://{AE_TITLE}@127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _store(self, event: Any) -> int:
        if str(event.dataset.SOPInstanceUID) in self.choking:
            event.assoc.abort()
            return 0xC000
        status = self.answers.pop(0) if self.answers else 0
        if status == 0:
            self.taken.append(str(event.dataset.SOPInstanceUID))
        return status


@pytest.fixture
def node() -> Iterator[Node]:
    pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")
    made = Node()
    yield made
    made.stop()
