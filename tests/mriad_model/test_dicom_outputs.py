"""DICOM outputs are an extra: nothing of it is needed until one is asked for."""

import subprocess
import sys

WITHOUT = """
import sys
sys.modules["highdicom"] = None  # as if it were not installed
from mriad_model.dicom_outputs import available, dicom_outputs
from mriad_model.errors import SettingsError
assert not available()
try:
    dicom_outputs(None)
except SettingsError as error:
    assert "mriad[dicom]" in str(error)
else:
    raise AssertionError("no error")
"""
LAZY = """
import sys
import mriad_model.dicom_outputs
assert mriad_model.dicom_outputs.available()
assert "highdicom" not in sys.modules
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_highdicom_outputs_are_not_available_and_say_what_to_install():
    run(WITHOUT)


def test_highdicom_is_not_imported_before_an_output_is_asked_for():
    run(LAZY)
