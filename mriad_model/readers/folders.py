"""The files in a folder: every one, in one fixed order; no link is followed out of it."""

import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mriad_model.enums import RejectionReason
from mriad_model.errors import NoScans

UNFINISHED = (".part", ".tmp")  # names that a copy under way bears


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as the folder lists it: what `lstat` returns, and whether it can be a scan at all.

    Size, times, inode and mode are -1 where the file could not be read.
    """

    path: Path
    size: int  # bytes
    mtime_ns: int
    inode: int
    mode: int  # permissions
    rejection: RejectionReason | None = None
    ctime_ns: int = -1  # when the inode last changed: no program can put it back

    @property
    def stands(self) -> bool:
        """Whether the file is there as it was listed: not written to, replaced or taken away."""
        try:
            return self.is_of(self.path.lstat())
        except OSError:
            return False

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file's status is the one that was listed."""
        now = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return now == (self.size, self.mtime_ns, self.ctime_ns, self.inode)


def list_files(folder: Path, glob: str = "*") -> Iterator[FoundFile]:
    """Every file below `folder` (or `folder` itself, if it is a file) by `glob`, sorted by name.

    Dotfiles, `*.part` and `*.tmp` are passed over. Symbolic links, FIFOs, sockets and devices are
    listed as rejected, folders that cannot be opened as unreadable, so there is no way out of the
    folder and no loop. Only `folder` itself may be a link. Raises NoScans where it is missing.
    """
    try:
        status = folder.stat()
    except OSError as error:
        # Without its name: the workflow engine keeps what its tasks failed of.
        raise NoScans(f"cannot look into the folder: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        return iter([_found(folder, folder.lstat())])
    return _walk(folder, glob.lower())


def _walk(folder: Path, pattern: str) -> Iterator[FoundFile]:
    """Depth first over an explicit stack: folders may nest deeper than Python recurses."""
    try:
        stack = _entries(folder)
    except OSError:
        yield unlisted(folder)
        return
    while stack:
        entry = stack.pop()
        try:
            if entry.is_dir(follow_symlinks=False):
                stack += _entries(entry.path)
                continue
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # it went away while we were looking
        except OSError:
            yield unlisted(Path(entry.path))
            continue
        if fnmatch.fnmatchcase(entry.name.lower(), pattern):
            yield _found(Path(entry.path), status)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What lies in a folder, last first."""
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not is_passed_over(entry.name)]
    # By bytes: the same order in any locale.
    kept.sort(key=lambda entry: os.fsencode(entry.name), reverse=True)
    return kept


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, or a copy under way."""
    return name.startswith(".") or name.lower().endswith(UNFINISHED)


def found_file(path: Path) -> FoundFile:
    """A file as a folder lists it; unreadable where it is a folder or cannot be listed."""
    try:
        status = path.lstat()
    except OSError:
        return unlisted(path)
    return unlisted(path) if stat.S_ISDIR(status.st_mode) else _found(path, status)


def unlisted(path: Path) -> FoundFile:
    """A file, or a folder, whose status cannot be read."""
    return FoundFile(path, -1, -1, -1, -1, RejectionReason.UNREADABLE)


def _found(path: Path, status: os.stat_result) -> FoundFile:
    rejection = None
    if stat.S_ISLNK(status.st_mode):
        rejection = RejectionReason.SYMLINK
    elif not stat.S_ISREG(status.st_mode):
        rejection = RejectionReason.NOT_REGULAR
    mode, times = stat.S_IMODE(status.st_mode), (status.st_mtime_ns, status.st_ctime_ns)
    return FoundFile(path, status.st_size, times[0], status.st_ino, mode, rejection, times[1])
