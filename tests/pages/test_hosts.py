"""The server answers under its own names alone, and no address that somebody makes up breaks it."""

import socket
from dataclasses import replace
from uuid import uuid4

import pytest

from wuye.config import Settings
from wuye.errors import Misconfigured
from wuye.web.hosts import is_ours


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", socket.gethostname()])
def test_this_machine_is_ours(tmp_path, host):
    assert is_ours(Settings(data=tmp_path), host)


@pytest.mark.parametrize("host", ["evil.example", "203.0.113.7", "0.0.0.0", "[::", "", "localhost.evil.example", "a b"])
def test_what_somebody_made_up_is_not(tmp_path, host):
    assert not is_ours(Settings(data=tmp_path), host)


def test_what_the_settings_name_is_ours(tmp_path):
    told = Settings.load({"WUYE_HOSTS": "Wuye.example, www.wuye.example"}, data=tmp_path)
    assert is_ours(told, "wuye.example:443") and is_ours(told, "www.wuye.example")
    assert is_ours(replace(told, public_url="https://home.example:8443"), "home.example:8443")
    with pytest.raises(Misconfigured, match="hosts"):
        Settings.load({"WUYE_HOSTS": "https://wuye.example"}, data=tmp_path)


def test_another_host_is_refused_and_nowhere_printed(visitor, estate):
    manager = visitor("core.manager")
    place = estate.login("core.manager").create("properties", kind="common_area", code="hall", name="Hall")
    answer = manager.get(f"places/{place['id']}/code", Host="evil.example")
    assert answer.status_code == 421
    assert "evil.example" not in answer.text
    assert manager.http.get("/healthz", headers={"Host": "evil.example"}).status_code == 200
    assert "http://localhost/q/" in manager.get(f"places/{place['id']}/code").text


def test_the_public_address_stands_in_printed_codes(visitor, estate, monkeypatch):
    manager = visitor("core.manager")
    place = estate.login("core.manager").create("properties", kind="common_area", code="hall", name="Hall")
    told = replace(estate.place.settings, public_url="https://home.example")
    monkeypatch.setattr(estate.place, "settings", told)
    assert "https://home.example/q/" in manager.get(f"places/{place['id']}/code").text


def test_control_characters_break_no_route(app, estate, visitor):
    manager, client = visitor("core.manager"), estate.login("core.manager")
    manager.get("")
    for rule in list(app.url_map.iter_rules()):
        for bad in ("%00", "a%00b", "%01", "%7F"):
            values = {
                name: str(uuid4()) if "uuid" in repr(rule._converters[name]).lower() else "zz"
                for name in rule.arguments
            }
            values = {**values, **({"estate": estate.code} if "estate" in values else {})}
            strings = [name for name in rule.arguments if "uuid" not in repr(rule._converters[name]).lower()]
            for name in strings or [None]:
                path = rule.rule
                for argument in rule.arguments:
                    given = bad if argument == name else values[argument]
                    path = path.replace(next(part for part in path.split("/") if part.endswith(f"{argument}>")), given)
                for method in sorted(rule.methods & {"GET", "POST", "PATCH"}):
                    target = path if name else f"{path}?q={bad}&tab={bad}"
                    headers = {"Authorization": f"Bearer {client.token}"} if path.startswith("/api/") else {}
                    data = {"_token": manager.token, "name": "a\0b"} if method == "POST" else None
                    answer = manager.http.open(target, method=method, headers=headers, data=data)
                    assert answer.status_code < 500, (method, target, answer.status_code, answer.text[:300])
                    if name:
                        assert answer.status_code in (400, 404, 405), (method, target, answer.status_code)
                    answer.close()


def test_every_target_of_suggestions_answers(visitor, installation):
    tables = {item.model.__tablename__ for item in installation.plugins.registry.resources.values()}
    for role in ("core.manager", "maintenance.technician", "core.resident"):
        someone = visitor(role)
        for target in {name.removeprefix("core_") for name in tables} | tables | {"nothing", "x" * 60}:
            assert someone.get(f"suggest/{target}?q=x").status_code == 200, target
