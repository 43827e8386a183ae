"""Near-duplicates among scans, found by fingerprints read from their files chunk by chunk."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.entities import Scan
from mriad_model.datasets.duplicates import Fingerprint, fingerprint, twin_groups
from mriad_model.datasets.roles import joined_groups
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.scan_slices import shown_slice
from mriad_model.recipes.recipe import Recipe
from tasks.runtime.batching import in_chunks
from tasks.runtime.progress import tell, timed
from tasks.runtime.source_files import load_scans
from tasks.runtime.workspace import Workspace

CHUNK = 512


@dataclass(frozen=True, slots=True)
class Grouped:
    """Scans that could be read, in order, and the group of each."""

    scan_ids: list[int]
    keys: list[str]  # their sha256
    groups: list[int]  # twins, and scans of one patient, share a number

    def without_groups_of(self, scan_ids: Collection[int]) -> "Grouped":
        """Those that share no group with any of these scans."""
        shared = {
            group
            for scan_id, group in zip(self.scan_ids, self.groups, strict=True)
            if scan_id in scan_ids
        }
        return self.without_groups(shared)

    def without_groups(self, groups: Collection[int]) -> "Grouped":
        """Those of other groups."""
        return self._at([i for i, group in enumerate(self.groups) if group not in groups])

    def only(self, scan_ids: Collection[int]) -> "Grouped":
        """These scans of them."""
        return self._at([i for i, each in enumerate(self.scan_ids) if each in scan_ids])

    def _at(self, kept: Sequence[int]) -> "Grouped":
        return Grouped(
            [self.scan_ids[i] for i in kept],
            [self.keys[i] for i in kept],
            [self.groups[i] for i in kept],
        )


@timed("look for twins")
def grouped(
    home: str, run_id: int, scans: Mapping[int, Scan], recipe: Recipe, folder: Path
) -> Grouped:
    """Group scans (by id) that are near-duplicates or of one patient. `folder` is for scratch.

    A scan whose files are gone is in no group, and gets a rejection row.
    """
    ids: list[int] = []
    prints: list[Fingerprint] = []
    done = 0
    tell("looking for twins", done, len(scans), unit="scans")
    for number, chunk in in_chunks(list(scans), CHUNK, lambda each: scans[each].n_slices):
        workspace = Workspace(folder / f"twins-{number}")
        for each in load_scans(home, run_id, chunk, workspace):
            try:
                prints.append(fingerprint(shown_slice(each.kept.scan.load(), recipe)))
            except RejectedFile:  # it has no slice to compare
                continue
            ids.append(each.scan_id)
        workspace.discard()
        done += len(chunk)
        tell("looking for twins", done, len(scans), unit="scans")
    groups = joined_groups(twin_groups(prints), [scans[each].patient for each in ids])
    return Grouped(ids, [scans[each].sha256 for each in ids], groups)
