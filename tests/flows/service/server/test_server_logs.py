"""The logs of temporary servers."""

from pathlib import Path

import pytest

from flows.service.server.server_logs import cause_in, new_log


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", None),
        ("Traceback (most recent call last):\n  x\nOSError: [Errno 28] No space left on device\n",
         "OSError: [Errno 28] No space left on device"),
        ("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n"
         "(Background on this error at: https://sqlalche.me/e/20/e3q8)\n\n"
         "Application startup failed. Exiting.\n",
         "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked"),
        ("something odd\n", "something odd"),
    ],
)  # fmt: skip
def test_the_cause_is_the_error_in_a_servers_log(
    tmp_path: Path, said: str, cause: str | None
) -> None:
    log = new_log(tmp_path)
    log.write_text(said)
    assert cause_in(log) == cause


def test_the_last_logs_are_kept(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"prefect-server-20260101T0000{number:02}-1-x.log").touch()
    kept = new_log(tmp_path)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert len(names) == 10
    assert names[0] == "prefect-server-20260101T000003-1-x.log"
    assert names[-1] == kept.name
