"""Files put into a folder, as a delivery."""

from pathlib import Path


def drop(folder: Path, name: str = "1.png", data: bytes = b"scan") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
