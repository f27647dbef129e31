"""The command line as a user has it: processes, exit codes, data on stdout and talk on stderr."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wuye.db.local import LocalPostgres

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def wuye(tmp_path_factory):
    """A function that runs `wuye` on one installation, with the demo estate in it."""
    folder = tmp_path_factory.mktemp("cli") / "data"

    def run(*arguments, code=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "wuye", *map(str, arguments)],
            env={**os.environ, "WUYE_DATA": str(folder), "LANG": "en", "LC_ALL": "", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    try:
        run("demo", "--no-serve")
        yield run
    finally:
        LocalPostgres(folder / "postgres").remove()


def test_the_demo_is_made_once_and_says_who_can_sign_in(wuye):
    first, second = (json.loads(wuye("demo", "--no-serve", "--json").stdout) for _time in range(2))
    assert first == second
    names = [user["email"].partition("@")[0] for user in first["users"]]
    assert names == ["manager", "agent", "technician", "guard", "cleaner", "inspector", "resident", "admin"]


def test_every_list_in_the_demo_has_something(wuye):
    rows = json.loads(wuye("report", "work", "--estate", "demo", "--json").stdout)
    assert {row["kind"] for row in rows} == {"customer_service.request", "core.referral", "maintenance.work_order"}
    assert sum(row["count"] for row in rows) > 200


def test_an_estate_from_its_creation_to_its_end(wuye, tmp_path):
    wuye("estate", "create", "garden", "--name", "Garden", "--plugin", "customer_service")
    wuye("estate", "create", "garden", "--name", "Again", code=1)
    assert "a-z" in wuye("estate", "create", "A B", "--name", "x", code=65).stderr
    wuye("plugin", "enable", "maintenance", "--estate", "garden")
    wuye("plugin", "disable", "maintenance", "--estate", "garden")
    wuye("plugin", "purge", "customer_service", "--estate", "garden", code=1)
    preview = wuye("plugin", "purge", "maintenance", "--estate", "garden", code=1)
    assert "--yes" in preview.stderr
    wuye("plugin", "purge", "maintenance", "--estate", "garden", "--yes")
    wuye("estate", "export", "garden", tmp_path / "garden.zip")
    assert (tmp_path / "garden.zip").stat().st_size > 0
    wuye("estate", "suspend", "garden")
    assert json.loads(wuye("estate", "show", "garden", "--json").stdout)["state"] == "suspended"
    wuye("estate", "delete", "garden", code=1)
    wuye("estate", "delete", "garden", "--yes")
    assert [row["code"] for row in json.loads(wuye("estate", "list", "--json").stdout)] == ["demo"]
    assert json.loads(wuye("doctor", "--deep", "--json").stdout) == []


def test_disabling_with_open_work_is_refused_and_forced(wuye):
    assert "maintenance.work_order" in wuye("plugin", "disable", "maintenance", "--estate", "demo", code=1).stderr
    wuye("plugin", "disable", "maintenance", "--estate", "demo", "--force")
    wuye("plugin", "enable", "maintenance", "--estate", "demo")


def test_people_are_invited_by_a_link_that_is_printed(wuye):
    first = wuye("user", "invite", "Admin@test.example", "--host-admin").stdout
    assert re.fullmatch(r"http://127.0.0.1:8000/password/[\w-]{54}\n", first)
    people = {row["email"]: row for row in json.loads(wuye("user", "list", "--json").stdout)}
    assert people["admin@test.example"]["host_admin"] is False, "not before the link was used"
    asked = wuye("user", "invite", "chen@test.example", "core.agent", "--estate", "demo", "--json")
    assert "/invitation/" in json.loads(asked.stdout)["link"]
    assert "chen@test.example" not in wuye("user", "list", "--json").stdout
    wuye("user", "invite", "chen@test.example", "core.agent", code=2)
    assert "core.king" in wuye("user", "invite", "chen@test.example", "core.king", "--estate", "demo", code=65).stderr
    made = wuye("estate", "create", "pines", "--name", "Pines", "--manager", "chen@test.example")
    assert "/invitation/" in made.stdout
    wuye("estate", "delete", "pines", "--yes")


def test_accounts_are_closed_opened_and_reset_by_the_operator(wuye):
    agent = "agent@demo.example"
    wuye("user", "disable", agent)
    people = {row["email"]: row["active"] for row in json.loads(wuye("user", "list", "--json").stdout)}
    assert people[agent] is False
    assert json.loads(wuye("user", "enable", agent, "--json").stdout) == {"email": agent, "active": True}
    assert json.loads(wuye("user", "reset-factor", agent, "--json").stdout)["second_factor"] is False
    assert re.search(r"/password/[\w-]{54}\n", wuye("user", "reset", agent).stdout)
    assert json.loads(wuye("user", "sessions", agent, "--json", "--end").stdout) == []
    assert "last host admin" in wuye("user", "disable", "admin@demo.example", code=1).stderr
    wuye("user", "disable", "nobody@demo.example", code=1)


def test_roles_are_given_to_members_alone_unless_the_operator_insists(wuye):
    wuye("user", "create", "robot@test.example")
    refused = wuye("user", "grant", "robot@test.example", "core.auditor", "--estate", "demo", code=1)
    assert "invite" in refused.stderr
    wuye("user", "grant", "robot@test.example", "core.auditor", "--estate", "demo", "--unasked")
    wuye("user", "grant", "robot@test.example", "core.staff", "--estate", "demo")
    assert (
        "last manager" in wuye("user", "grant", "manager@demo.example", "core.staff", "--estate", "demo", code=1).stderr
    )


def test_tokens_are_printed_alone_and_scopes_must_exist(wuye):
    token = wuye("token", "create", "--user", "agent@demo.example", "--estate", "demo").stdout.strip()
    assert token.startswith("wuye_")
    wrong = ("token", "create", "--user", "agent@demo.example", "--estate", "demo", "--scope", "everything")
    assert "everything" in wuye(*wrong, code=65).stderr


def test_an_import_reports_in_json_and_exits_with_65_for_bad_rows(wuye, tmp_path):
    arguments = ("import", "requests", DATA / "service_requests_2025-03.csv", "--estate", "demo", "--mapping")
    report = json.loads(wuye(*arguments, DATA / "nyc311.toml", "--dry-run", "--json").stdout)
    assert (report["rows"], report["created"], report["rejected"]) == (235, 235, [])
    bad = tmp_path / "bad.csv"
    bad.write_text("title,kind\nLamp,repair\nLift,wish\n")
    done = wuye("import", "requests", bad, "--estate", "demo", "--json", "--dry-run", code=65)
    assert [row["row"] for row in json.loads(done.stdout)["rejected"]] == [3]
    picture = tmp_path / "table.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    assert "PNG" in wuye("import", "requests", picture, "--estate", "demo", code=65).stderr


def test_an_export_cannot_become_a_formula(wuye, tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("name\n=HYPERLINK(1)\n")
    wuye("import", "people", table, "--estate", "demo")
    wuye("export", "people", tmp_path / "out.csv", "--estate", "demo")
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert "'=HYPERLINK(1)" in text
    assert "****" in text, "telephone numbers are masked"
    wuye("export", "requests", tmp_path / "out.xlsx", "--estate", "demo")
    wuye("export", "requests", tmp_path / "out.pdf", "--estate", "demo", code=1)


def test_what_goes_wrong_has_its_own_exit_code(wuye, tmp_path):
    wuye("no-such-command", code=2)
    wuye("estate", "show", "nowhere", code=1)
    wuye("db", "url", "--role", "king", code=2)
    assert wuye("db", "url").stdout.startswith("postgresql://wuye_app:")
    url = "postgresql://postgres@127.0.0.1:9/wuye"
    assert "does not answer" in wuye("estate", "list", WUYE_DATABASE_URL=url, code=69).stderr
    wuye("estate", "list", WUYE_DATABASE_URL="mysql://x/y", code=78)
    wuye("estate", "list", WUYE_POOL_SIZE="many", code=78)
    assert "没有小区" in wuye("estate", "show", "nowhere", LANG="zh_CN.UTF-8", code=1).stderr
