"""Addresses that outputs are sent to."""

import pytest

from mriad_model.destinations import DicomNode, DicomWebServer, destination_of
from mriad_model.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "found", "written"),
    [
        ("dicom://PACS@10.0.0.5:11112", DicomNode("PACS", "10.0.0.5", 11112), None),
        ("dicom://MY_PACS@pacs.example.org", DicomNode("MY_PACS", "pacs.example.org", 104),
         "dicom://MY_PACS@pacs.example.org:104"),
        ("dicom://PACS@[::1]:4242/", DicomNode("PACS", "::1", 4242), "dicom://PACS@[::1]:4242"),
        (" https://Pacs.example.org/dicom-web/ ",
         DicomWebServer("https://pacs.example.org/dicom-web"),
         "https://pacs.example.org/dicom-web"),
        ("http://127.0.0.1:8042/web", DicomWebServer("http://127.0.0.1:8042/web"), None),
        ("https://Pacs.example.org:443/x", DicomWebServer("https://pacs.example.org/x"),
         "https://pacs.example.org/x"),
        ("http://[::1]:80/x", DicomWebServer("http://[::1]/x"), "http://[::1]/x"),
        ("https://pacs_1:80/x", DicomWebServer("https://pacs_1:80/x"), None),
    ],
)  # fmt: skip
def test_an_address_is_a_node_or_a_server(text: str, found: object, written: str | None) -> None:
    assert destination_of(text) == found
    assert str(destination_of(text)) == (written or text)
    assert destination_of(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pacs.example.org", "write dicom://"),
        ("ftp://pacs.example.org", "write dicom://"),
        ("dicom://host:104", "AETITLE"),
        ("dicom://SEVENTEEN_LETTERS@host:104", "AETITLE"),
        ("dicom://A@host:70000", "write dicom://"),
        ("dicom://A:secret@host:104", "no user or password"),
        ("https://user:secret@host/x", "no user or password"),
        ("https://user@host/x", "no user or password"),
        ("https://host/x?y=1", "write dicom://"),
        ("http://pacs.example.org/x", "unencrypted"),
        ("", "write dicom://"),
        ("https://[v1.a]/x", "no name of a host"),
        ("dicom://A@host:0", "write dicom://"),
        ("https://host:0/x", "write dicom://"),
        ("https://pacs .example.org/x", "write dicom://"),
        ("https://host/a b", "write dicom://"),
        ("https://host/a\x07b", "write dicom://"),
        ("dicom://PACS@pacs..example.org", "no name of a host"),
        (f"dicom://PACS@{'a' * 64}.example.org", "no name of a host"),
        (f"https://{'a.' * 127}org/x", "no name of a host"),
        ("https://p\u00e4\u2013cs.example.org/x", "no name of a host"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        destination_of(text)
    assert "secret" not in str(error.value)
