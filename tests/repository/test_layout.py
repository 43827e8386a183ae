"""Where files lie: a test file is named as what it tests, files are short, packages are few."""

from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

TESTS = REPOSITORY / "tests"
# What tests a whole, and no module alone: each with the reason in docs/contributing.md.
OF_WHOLES = ("e2e", "fuzz", "repository", "web/browser")
MOST_LINES = 400
MOST_MODULES = 12
ROOMS = ("benchmarks", "db", "docs", "flows", "mriad", "mriad_model", "tasks", "tests", "web")
MODULES = [path for room in ROOMS for path in sorted((REPOSITORY / room).rglob("*.py"))]


def subject(path: Path) -> Path:
    """The module, without its ending, or the package that a test file is named as."""
    folder = path.parent.relative_to(TESTS)
    return REPOSITORY / folder / path.stem.removeprefix("test_")


def nameless(paths: list[Path]) -> list[str]:
    return [
        str(path.relative_to(TESTS))
        for path in paths
        if not any(path.is_relative_to(TESTS / each) for each in OF_WHOLES)
        and not subject(path).with_suffix(".py").is_file()
        and not (subject(path) / "__init__.py").is_file()
    ]


def test_a_test_file_is_named_as_its_module_or_package() -> None:
    assert nameless(sorted(TESTS.rglob("test_*.py"))) == []


def test_a_test_file_that_is_named_as_nothing_is_found() -> None:
    lost = [TESTS / "db/test_nonsense.py", TESTS / "test_nonsense.py", TESTS / "e2e/test_night.py"]
    assert nameless(lost) == ["db/test_nonsense.py", "test_nonsense.py"]


@pytest.mark.parametrize("folder", OF_WHOLES)
def test_the_handbook_names_the_folders_of_tests_of_a_whole(folder: str) -> None:
    assert (TESTS / folder).is_dir()
    assert f"`tests/{folder}/`" in (REPOSITORY / "docs/contributing.md").read_text()


def test_files_are_short_and_packages_are_of_few_modules() -> None:
    long = [path for path in MODULES if len(path.read_text().splitlines()) > MOST_LINES]
    assert long == []
    modules: dict[Path, int] = {}
    for path in MODULES:
        if not path.is_relative_to(TESTS) and path.name != "__init__.py":
            modules[path.parent] = modules.get(path.parent, 0) + 1
    versions = REPOSITORY / "db/migrations/versions"  # a file for each step that homes may take
    full = [package for package, n in modules.items() if n > MOST_MODULES and package != versions]
    assert full == []
