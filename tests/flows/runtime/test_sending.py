"""After scoring: what cannot be sent is said in one line, and the run goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.repository.runs import runs_since
from flows.runtime import sending
from flows.runtime.sending import send_by_itself, send_decided, sending_options
from flows.runtime.settings import read_settings
from mriad_model.errors import SettingsError
from tasks.runtime.runs import RecordedRun
from tasks.sending.dicom_store import NodeSender
from tasks.sending.outcomes import TAKEN, DestinationUnreachable, SendingOutcome
from tasks.sending.send import SendingOptions, send_outputs
from tests.tasks.sending.conftest import Outputs, home_with_outputs

PACS = SendingOptions("dicom://PACS@127.0.0.1:104")


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    made = home_with_outputs(tmp_path / "home")
    made.add()
    yield made
    made.kept.engine.dispose()


def test_the_settings_say_where_to_and_as_whom(tmp_path: Path) -> None:
    assert sending_options(read_settings(home=tmp_path)) is None
    given = read_settings(home=tmp_path, send_to="https://pacs.example.org/x", send_days=2)
    assert sending_options(given) == SendingOptions(
        "https://pacs.example.org/x", "MRIAD", None, 2.0
    )
    for wrong in ({"send_to": "pacs"}, {"send_as": "two words"}, {"send_days": 0}):
        with pytest.raises(SettingsError, match="MRIAD_SEND_"):
            read_settings(home=tmp_path, **wrong)
    with pytest.raises(SettingsError, match="no user or password") as error:
        read_settings(home=tmp_path, send_to="https://ann:secret@pacs.example.org")
    assert "secret" not in str(error.value)


def test_a_place_that_answers_the_second_time_gets_all(
    prefect_server: None, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [DestinationUnreachable("it does not answer"), None]

    def store(*_: object) -> SendingOutcome:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return TAKEN

    monkeypatch.setattr(NodeSender, "store", store)
    soon = send_outputs.with_options(retry_delay_seconds=[0, 0])
    monkeypatch.setattr(sending, "send_outputs", soon)
    run = RecordedRun(outputs.kept.hand.run())
    send_decided(outputs.kept.home, run, PACS)
    assert run.counts == {"sent": 1, "unsent": 0, "outputs": 1}
    assert answers == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (DestinationUnreachable("it does not answer"), "it does not answer"),
        (OSError("Doe^Jane"), "OSError"),
    ],
)
def test_what_cannot_be_sent_is_one_line_and_no_failure(
    prefect_server: None,
    outputs: Outputs,
    error: Exception,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def store(*_: object) -> None:
        raise error

    monkeypatch.setattr(NodeSender, "store", store)
    monkeypatch.setattr(sending, "send_outputs", send_outputs.with_options(retries=0))
    run = RecordedRun(outputs.kept.hand.run())
    said = f"1 of 1 DICOM outputs not sent yet: {why}"
    assert send_decided(outputs.kept.home, run, PACS) == [said]
    assert run.counts == {"not_sent": why, "unsent": 1, "outputs": 1}
    send_by_itself(outputs.kept.home, PACS)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "not sent yet" in line] == [f"mriad: {said}"]


def test_a_run_of_its_own_tells_what_was_sent_and_given_up(
    prefect_server: None,
    outputs: Outputs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(NodeSender, "store", lambda *_: TAKEN)
    monkeypatch.setattr(sending, "give_up_outputs", lambda *_: 2)
    send_by_itself(outputs.kept.home, None)
    send_by_itself(outputs.kept.home, PACS)
    (told,) = [run for run in runs_since(outputs.kept.engine, "") if run[0].flow == "send_outputs"]
    assert told[1] is not None
    assert json.loads(told[1].counts) == {"given_up": 2, "sent": 1, "unsent": 0, "outputs": 1}
    assert "2 DICOM outputs are given up: not taken within 7 days" in capsys.readouterr().err


def test_without_an_address_nothing_is_asked(outputs: Outputs) -> None:
    run = RecordedRun(outputs.kept.hand.run())
    send_decided(outputs.kept.home, run, None)
    assert run.counts == {}
