"""Who may only read writes nothing: no comment, no file, no mark; a token does what its scopes say and no more."""

import io

import pytest

from wuye.identity.models import Membership, User
from wuye.identity.services import create_token
from wuye.records.models import Record

REQUEST = {"title": "Leak in the kitchen", "request_kind": "repair"}


@pytest.fixture
def request_(login):
    return login("core.manager").create("requests", **REQUEST)


def statuses_of_writing(client, resource, identity):
    comment = client.send("POST", client.url(resource, identity, "comments"), {"text": "Seen"})
    file = client.upload(client.url(resource, identity, "files"), b"seen")
    return comment.status_code, file.status_code


def test_an_auditor_reads_everything_and_writes_nowhere(login, estate, request_):
    auditor = login("core.auditor")
    person = estate.person("Chen Yu")
    for resource, identity in (("requests", request_["id"]), ("people", person)):
        assert auditor.send("GET", auditor.url(resource, identity)).status_code == 200
        assert auditor.send("GET", auditor.url(resource, identity, "files")).status_code == 200
        assert statuses_of_writing(auditor, resource, identity) == (403, 403)


def test_a_technician_talks_about_work_but_not_about_people(login, estate):
    technician = login("maintenance.technician")
    manager = login("core.manager")
    order = manager.create("work-orders", title="Pump", order_type="corrective")
    with estate.context() as ctx:
        ctx.session.get_one(Record, (estate.info.id, order["id"])).assignee_id = technician.person
    assert statuses_of_writing(technician, "work-orders", order["id"]) == (201, 201)
    assert statuses_of_writing(technician, "people", estate.person("Chen Yu")) == (403, 403)


def test_residents_talk_about_what_they_reported(login, request_):
    resident = login("core.resident")
    mine = resident.create("requests", **REQUEST)
    assert statuses_of_writing(resident, "requests", mine["id"]) == (201, 201)
    assert statuses_of_writing(resident, "requests", request_["id"]) == (404, 404)


def test_a_token_with_one_scope_does_that_alone(login, estate, request_):
    token = login("core.manager", scopes=["customer_service.read"])
    assert token.send("GET", token.url("requests", request_["id"], "timeline")).status_code == 200
    assert statuses_of_writing(token, "requests", request_["id"]) == (403, 403)
    base = f"/api/v1/estates/{estate.code}"
    assert token.send("GET", f"{base}/notifications").status_code == 403
    assert token.send("POST", f"{base}/notifications/seen", {"all": True}).status_code == 403
    assert token.send("GET", f"{base}/settings/customer-service").status_code == 403
    assert token.send("GET", "/api/v1/estates").status_code == 403
    mine = login("core.manager", scopes=["core.read_own"])
    assert mine.send("GET", f"{base}/notifications").status_code == 200


def test_a_token_opens_no_page(login, estate, app):
    token = login("core.manager").token
    http = app.test_client()
    http.set_cookie("wuye", "wuye_anything")
    answer = http.get(f"/e/{estate.code}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (303, 401)


def test_a_file_that_one_attached_stays_when_one_may_only_read(login, estate, request_):
    manager = login("core.manager")
    url = manager.url("requests", request_["id"], "files")
    file = manager.upload(url, b"seen").get_json()
    with estate.place.database.session() as session:
        row = session.query(Membership).filter_by(estate_id=estate.info.id, person_id=manager.person).one()
        user = session.get_one(User, row.user_id)
        secret, clock = estate.place.database.secret, estate.place.clock
        narrow = create_token(session, secret, clock, user, estate.info, scopes=["customer_service.read"])
    manager.token = narrow
    assert manager.send("DELETE", f"{url}/{file['id']}").status_code == 403


def test_a_member_without_a_role_is_told_so_everywhere(login, estate):
    nobody = login()
    base = f"/api/v1/estates/{estate.code}"
    for path in (f"{base}/notifications", nobody.url("requests"), f"{base}/settings/customer-service"):
        answer = nobody.send("GET", path)
        assert answer.status_code == 403
    assert "role" in answer.get_json()["detail"]


@pytest.mark.parametrize(("role", "boxes"), [("core.auditor", 0), ("core.agent", 2)])
def test_who_may_only_read_sees_no_box_to_write_in(visitor, request_, role, boxes):
    page = f"customer-service/requests/{request_['id']}"
    someone = visitor(role)
    shown = someone.get(page).text
    assert (shown.count("/comments") > 0) + (shown.count('type="file"') > 0) == boxes
    expected = {0: 403, 2: 303}[boxes]
    assert someone.post(f"{page}/comments", {"text": "Seen"}).status_code == expected
    assert someone.post(f"{page}/files", {"file": (io.BytesIO(b"seen"), "x.txt")}).status_code == expected
