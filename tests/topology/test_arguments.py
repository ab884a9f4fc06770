"""Wrong arguments, without the run-time type checks of the tests: those would refuse before our own checks do."""

import os
import subprocess
import sys
from pathlib import Path


def test_every_error_names_the_argument_the_rule_and_a_way_out_that_works():
    cases = Path(__file__).with_name("wrong_arguments.py")
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "-c", os.devnull]
    run = subprocess.run([*command, "-W", "error", str(cases)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout
