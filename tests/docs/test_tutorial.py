"""The tutorial is executed: its files are written, its migration is made, its tests are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs/tutorials/first-plugin.md"
BLOCK = re.compile(r"```(?:toml|python)\n# (\S+)\n(.*?)```", re.DOTALL)


def test_the_tutorial_works_as_written(tmp_path):
    blocks = dict(BLOCK.findall(TUTORIAL.read_text("utf-8")))
    code = [line for name, text in blocks.items() if name.endswith(".py") for line in text.splitlines() if line.strip()]
    assert len(code) <= 60
    site = tmp_path / "site"
    for name, text in blocks.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (site / "wuye_parcels/__init__.py").touch()
    installed = site / "parcels-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: parcels\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[wuye.plugins]\nparcels = wuye_parcels.plugin:plugin\n")
    environment = {**os.environ, "PYTHONPATH": str(site), "WUYE_DATA": str(tmp_path / "data"), "WUYE_STRICT": "1"}
    try:
        for command in (
            ["-m", "wuye", "plugin", "migration", "parcels", "--message", "first tables"],
            ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(site), str(site / "test_parcels.py")],
        ):
            done = subprocess.run(
                [sys.executable, *command], env=environment, cwd=site, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        from wuye.db.local import LocalPostgres

        LocalPostgres(tmp_path / "data" / "postgres").remove()
    assert (site / "wuye_parcels/migrations/0001_first_tables.py").is_file()
