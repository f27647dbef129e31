"""The tutorial is executed: its files are written, its migration is made, its wheel is built and installed, its tests run."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs/tutorials/first-plugin.md"
BLOCK = re.compile(r"```(?:toml|python)\n# (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def author(tmp_path):
    """A folder with the tutorial's files, and a function that runs a program of a fresh environment in it.

    The environment sees what is installed here, so that nothing but the plugin has to be installed into it.
    """
    blocks = dict(BLOCK.findall(TUTORIAL.read_text("utf-8")))
    code = [line for name, text in blocks.items() if name.endswith(".py") for line in text.splitlines() if line.strip()]
    assert len(code) <= 60
    folder = tmp_path / "parcels"
    for name, text in blocks.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(fresh), "platbase": str(fresh)}))
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    site.joinpath("here.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(here)))
    environment = {**os.environ, "WUYE_DATA": str(tmp_path / "data"), "WUYE_STRICT": "1"}

    def run(*command, code=0, where=folder):
        done = subprocess.run(
            [fresh / "bin" / "python", *command],
            env=environment,
            cwd=where,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install():
        """Build the wheel and unpack it into the environment, which is all that installing one of pure Python does."""
        shutil.rmtree(folder / "dist", ignore_errors=True)
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run(build, cwd=folder, check=True, capture_output=True)
        [wheel] = folder.glob("dist/*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)

    yield folder, run, install
    from wuye.db.local import LocalPostgres

    LocalPostgres(tmp_path / "data" / "postgres").remove()


def test_the_tutorial_works_as_written_and_as_a_wheel(author, tmp_path):
    folder, run, install = author
    install()
    run("-m", "wuye", "plugin", "migration", "parcels", "--message", "first tables")
    assert (folder / "wuye_parcels/migrations/0001_first_tables.py").is_file()
    install()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(folder / "test_parcels.py", elsewhere)
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", elsewhere, "test_parcels.py", where=elsewhere)
    models = folder / "wuye_parcels" / "models.py"
    models.write_text(models.read_text().replace("    carrier", "    courier"))
    said = run("-m", "wuye", "plugin", "migration", "parcels", code=1)
    assert "parcels_parcel.carrier" in said and "--allow-drop" in said
    assert "It deletes" in run("-m", "wuye", "plugin", "migration", "parcels", "--allow-drop")
