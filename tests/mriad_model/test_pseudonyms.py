"""Patients by pseudonym."""

import re

import pytest

from mriad_model.pseudonyms import pseudonym

KEY, OTHER = bytes(range(32)), bytes(32)


def test_a_pseudonym_is_a_keyed_hash() -> None:
    # printf 'MRN-0042' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f
    assert pseudonym(KEY, "MRN-0042") == "13ee7ab6881fda40b6b50a2e66042c92"
    assert pseudonym(OTHER, "MRN-0042") != pseudonym(KEY, "MRN-0042")


@pytest.mark.parametrize("same", ["MRN-0042 ", " MRN-0042", "MRN-0042\0", "MRN-0042 \0\0"])
def test_padding_makes_no_other_patient(same: str) -> None:
    assert pseudonym(KEY, same) == pseudonym(KEY, "MRN-0042")


@pytest.mark.parametrize("other", ["mrn-0042", "MRN-00420", "MRN 0042", "MRN-0042\\A"])
def test_another_id_is_another_patient(other: str) -> None:
    assert pseudonym(KEY, other) != pseudonym(KEY, "MRN-0042")


@pytest.mark.parametrize("nobody", [None, "", "  ", "\0"])
def test_who_is_not_named_is_nobody(nobody: str | None) -> None:
    """Not one patient of that name: scans of one patient are kept together."""
    assert pseudonym(KEY, nobody) is None


@pytest.mark.parametrize("odd", ["山田^太郎", "a\ud800b", "x" * 10_000])
def test_any_text_has_a_pseudonym(odd: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", pseudonym(KEY, odd) or "")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 32"):
        pseudonym(b"secret", "MRN-0042")
