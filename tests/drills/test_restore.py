"""The drill of restoring, in short: whole processes, as an operator runs them."""

import subprocess
import sys
from pathlib import Path

DRILL = Path(__file__).parents[2] / "drills" / "restore.py"


def test_what_was_acknowledged_before_a_backup_is_in_it():
    done = subprocess.run([sys.executable, DRILL, "--records", "40"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
