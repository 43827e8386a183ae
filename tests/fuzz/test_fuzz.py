"""The fuzzer itself: it repeats, it finds, and a few of its cases in every run of the suite."""

import pytest

from mriad_model.readers import volume_files as stored
from mriad_model.readers.sandbox.pool import ReaderPool
from tests.fuzz.cases import SCAN, Case, run
from tests.fuzz.samples import write_samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    return folder, write_samples(folder)


@pytest.fixture(scope="module")
def readers():
    with ReaderPool(2) as started:
        yield started


@pytest.fixture
def outcomes(samples, readers):
    def read(seed, numbers):
        folder, formats = samples
        cases = [Case(folder, name, seed, number) for name in formats for number in numbers]
        return list(readers.map(run, cases, together=8))

    return read


def test_the_samples_are_the_same_bytes_each_time(samples, tmp_path):
    folder, _ = samples
    write_samples(tmp_path)
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(paths) > 30
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in paths)


def test_the_same_seed_gives_the_same_outcomes_and_another_does_not(outcomes):
    first = outcomes(1, range(5))
    assert first == outcomes(1, range(5))
    assert first != outcomes(2, range(5))


def test_damaged_files_end_in_scans_and_rejections(outcomes):
    told = [word for each in outcomes(3, range(10)) for word in each]
    assert not [word for word in told if word.startswith("error")]
    assert {SCAN, "corrupt", "truncated", "unsupported"} <= set(told)


def test_a_mistake_of_ours_is_an_error(samples, monkeypatch):
    def mistaken(path):
        raise TypeError("oh")

    monkeypatch.setattr(stored, "read_nifti", mistaken)
    folder, _ = samples
    told = [run(Case(folder, "nifti1", 0, number)) for number in range(5)]
    assert ["error: TypeError: oh"] in told
