"""The drill of kills, in short: each kind of process once."""

import subprocess
import sys
from pathlib import Path

DRILL = Path(__file__).parents[2] / "drills/kill.py"


def test_what_is_killed_comes_back_and_nothing_acknowledged_is_lost():
    done = subprocess.run(
        [sys.executable, DRILL, "--n", "3", "--promise", "120"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 lost, 0 there twice" in done.stdout
