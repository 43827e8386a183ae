"""Snapshots of a watched folder: each folder in it that directly holds files, at one moment.

The fingerprint of a folder is the set of (name, size, mtime_ns, ctime_ns, inode, permissions) of
its files; permissions, so that an unreadable file is tried again once it can be read.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mriad_model.readers.folders import UNFINISHED, FoundFile, found_file, is_passed_over

MARK = ".complete"  # a sender makes it in a folder, or in one above it, when all files are there
UNKNOWN = (-1, -1, -1, -1, -1)


@dataclass(frozen=True, slots=True)
class FolderSnapshot:
    """One folder at one moment, by the files that it holds itself."""

    path: str  # absolute, as the os functions take it
    n_files: int
    fingerprint: str  # of the files that scans are read from
    change_key: str  # of all entries, names that are passed over too
    n_unfinished: int  # copies under way: `*.part`, `*.tmp`
    changed_ns: int  # when the newest of its files last changed in any way (ctime)
    touched_ns: int  # when the newest of all entries did
    mark_ns: int | None  # when `.complete` was last made in it, or in a folder above (ctime)

    @property
    def unfinished(self) -> bool:
        """Whether a copy is under way in it."""
        return self.n_unfinished > 0

    @property
    def is_marked(self) -> bool:
        """Whether `.complete` is newer than all files."""
        return self.mark_ns is not None and self.mark_ns >= self.changed_ns


@dataclass(frozen=True, slots=True)
class UnfinishedFolder:
    """A folder that bears the name of a copy under way."""

    path: str
    n_files: int  # at and below it
    touched_ns: int  # when the newest of its folders last changed (ctime)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    key: tuple[int, int, int, int, int]  # size, mtime_ns, ctime_ns, inode, permissions
    changed_ns: int


def take_snapshot(root: str) -> Iterator[FolderSnapshot]:
    """Every folder at or below `root` that directly holds files. Links are not followed.

    `.complete` counts for its folder and those below; in the root, for the root's own files alone,
    not for every later delivery. Raises OSError where the root cannot be read.
    """
    stack: list[tuple[str, int | None]] = [(root, None)]
    while stack:
        folder, mark_above = stack.pop()
        try:
            entries, below = _listed(folder)
        except OSError:
            if folder == root:
                raise
            continue  # gone meanwhile; one that cannot be opened is a file of its parent
        own = max((each.changed_ns for each in entries if each.name == MARK), default=None)
        mark = own if mark_above is None or (own is not None and own > mark_above) else mark_above
        if folder == root:  # deliveries side by side in it do not wait for each other
            entries = [e for e in entries if e.key[0] >= 0 or not is_passed_over(e.name)]
        files = [each for each in entries if not is_passed_over(each.name)]
        if files or _unfinished(entries):
            yield _snapshot(folder, entries, files, mark)
        stack += [(path, None if folder == root else mark) for path in below]


def copies_below(root: str) -> Iterator[UnfinishedFolder]:
    """Folders directly in `root` under the name of a copy; not in snapshots. May raise OSError."""
    with os.scandir(root) as listing:
        named = [each for each in listing if each.name.lower().endswith(UNFINISHED)]
    for each in named:
        if each.name.startswith(".") or not each.is_dir(follow_symlinks=False):
            continue
        try:
            times, n_files = [os.lstat(each.path).st_ctime_ns], 0
            for folder, _, names in os.walk(each.path):
                times.append(os.lstat(folder).st_ctime_ns)
                n_files += len(names)
        except FileNotFoundError:
            continue  # renamed meanwhile: the next snapshot has it
        yield UnfinishedFolder(each.path, n_files, max(times))


def files_in(folder: Path) -> list[FoundFile]:
    """The files directly in a folder, sorted by name; none where it is gone. May raise OSError."""
    try:
        entries, _ = _listed(os.fspath(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = [each.name for each in entries if not is_passed_over(each.name)]
    return [found_file(folder / name) for name in sorted(names, key=os.fsencode)]


def fingerprint(files: Iterable[FoundFile]) -> str:
    """The fingerprint of a folder that holds these files."""
    return _digest((f.path.name, (f.size, f.mtime_ns, f.ctime_ns, f.inode, f.mode)) for f in files)


def _snapshot(
    folder: str, entries: list[_Entry], files: list[_Entry], mark: int | None
) -> FolderSnapshot:
    of_files = _digest((each.name, each.key) for each in files)
    of_all = of_files if len(files) == len(entries) else _digest((e.name, e.key) for e in entries)
    return FolderSnapshot(
        path=folder,
        n_files=len(files),
        fingerprint=of_files,
        change_key=of_all,
        n_unfinished=_unfinished(entries),
        changed_ns=max((each.changed_ns for each in files), default=0),
        touched_ns=max((each.changed_ns for each in entries), default=0),
        mark_ns=mark,
    )


def _unfinished(entries: list[_Entry]) -> int:
    return sum(each.name.lower().endswith(UNFINISHED) for each in entries)


def _listed(folder: str) -> tuple[list[_Entry], list[str]]:
    """A folder's entries that are no folders, and the folders to go into."""
    entries, below = [], []
    with os.scandir(folder) as listing:
        for each in listing:
            try:
                status = each.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                entries.append(_Entry(each.name, UNKNOWN, 0))
                continue
            if not stat.S_ISDIR(status.st_mode):
                times = (status.st_mtime_ns, status.st_ctime_ns)
                key = (status.st_size, *times, status.st_ino, stat.S_IMODE(status.st_mode))
                entries.append(_Entry(each.name, key, status.st_ctime_ns))
            elif is_passed_over(each.name):
                # A folder under such a name is a copy under way, as a file would be.
                entries.append(_Entry(each.name, (-1, -1, -1, status.st_ino, -1), 0))
            elif os.access(each.path, os.R_OK | os.X_OK):
                below.append(each.path)
            else:
                entries.append(_Entry(each.name, UNKNOWN, status.st_ctime_ns))
    return entries, below


def _digest(entries: Iterable[tuple[str, tuple[int, int, int, int, int]]]) -> str:
    lines = sorted(b"%d %d %d %d %d %s\0" % (*key, os.fsencode(name)) for name, key in entries)
    return hashlib.sha256(b"".join(lines)).hexdigest()
