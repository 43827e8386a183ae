"""Folders that are not scored yet."""

from dataclasses import replace

from mriad_model.delivery.pending import PendingFolder, PendingFolders, PendingReason


def test_the_longest_waiting_stand_first_and_each_folder_once() -> None:
    old, new = (
        PendingFolder(name, PendingReason.COPYING, 1, f"2026-11-0{day}")
        for day, name in ((1, "old"), (2, "new"))
    )
    both = PendingFolders([new], 1).and_also(
        PendingFolders([old, replace(new, why=PendingReason.CHANGED)], 2)
    )
    assert (both.folders, both.n) == ([old, new], 2)
