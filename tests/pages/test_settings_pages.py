"""A plugin's settings in the browser: the same rules as the API's, and who changed what."""

import re
from uuid import UUID

from werkzeug.test import Client as HttpClient

from wuye.estates.services import disable
from wuye.pages.portal import code_of
from wuye_maintenance.settings import MaintenanceSettings

PAGE = "settings/plugins/maintenance"
HOURS = {"hours_emergency": "1", "hours_urgent": "4", "hours_normal": "24", "hours_low": "72"}


def version(page):
    return re.search(r'name="_version" value="(\d+)"', page)[1]


def test_a_manager_decides_and_sees_who_decided_what(visitor, estate):
    manager = visitor("core.manager", name="Wang Li")
    page = manager.get(PAGE).text
    assert "Assign emergencies at once" in page and "Usual: 0." in page and "Nothing was changed yet" in page
    done = manager.post(PAGE, {**HOURS, "_version": version(page)})
    assert done.status_code == 303
    with estate.context() as ctx:
        assert ctx.settings(MaintenanceSettings) == MaintenanceSettings(False, 1, 4, 24, 72)
    after = manager.get(done.headers["Location"]).text
    assert "Saved." in after and "Wang Li" in after
    assert "Hours until urgent work is due: 0 → 4" in after and "Assign emergencies at once: Yes → No" in after


def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(visitor, estate):
    manager = visitor("core.manager")
    first = version(manager.get(PAGE).text)
    answer = manager.post(PAGE, {**HOURS, "hours_low": "soon", "hours_urgent": "", "_version": first})
    assert answer.status_code == 422
    assert 'id="f-hours_low-e"' in answer.text and 'id="f-hours_urgent-e"' in answer.text
    assert 'value="soon"' in answer.text and 'value="24"' in answer.text
    with estate.context() as ctx:
        assert ctx.settings(MaintenanceSettings) == MaintenanceSettings()


def test_who_was_slower_is_told(visitor, estate):
    manager = visitor("core.manager")
    first = version(manager.get(PAGE).text)
    assert manager.post(PAGE, {**HOURS, "_version": first}).status_code == 303
    late = manager.post(PAGE, {**HOURS, "hours_low": "5", "_version": first})
    assert late.status_code == 412 and "meantime" in late.text and 'value="5"' in late.text


def test_only_who_may_configure_gets_there_and_only_while_it_is_enabled(visitor, estate):
    assert visitor("core.supervisor", "maintenance.dispatcher").get(PAGE).status_code == 403
    manager = visitor("core.manager")
    assert PAGE in manager.get("settings").text
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    assert manager.get(PAGE).status_code == 404
    assert PAGE not in manager.get("settings").text
    assert "settings/plugins/customer-service" in manager.get("settings").text


def test_an_estate_may_close_reporting_without_an_account(visitor, estate, app):
    client = estate.login("core.manager")
    place = client.create("properties", kind="common_area", code="hall", name="大堂")
    code = code_of(estate.place.database.secret, estate.info.id, UUID(place["id"]))
    guest = HttpClient(app)
    assert guest.get(f"/q/{code}").status_code == 200
    url = f"/api/v1/estates/{estate.code}/settings/customer-service"
    client.ask("PATCH", url, {"guests_may_report": False}, If_Match="*")
    for answer in (guest.get(f"/q/{code}"), guest.post(f"/q/{code}", data={"title": "x", "request_kind": "repair"})):
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/r/{estate.code}/report")
    assert client.list("requests") == []
