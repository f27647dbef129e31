"""Members are invited and accept: nobody sets another's password, nobody is added unasked, nobody is told who exists."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.pages.conftest import PASSWORD
from werkzeug.test import Client as HttpClient

from wuye.identity import invitations, members
from wuye.identity.models import Invitation, Membership, User
from wuye.records.models import Timeline
from wuye.testing.statements import counted

ZONE = {"zone": "Asia/Shanghai", "locale": "en"}
OTHERS = "quite another password"


def link_in(page):
    return re.search(r"/invitation/[\w-]+", page.text)[0]


@pytest.fixture
def manager(visitor):
    return visitor("core.manager", name="李静")


@pytest.fixture
def address(estate):
    return f"new-{estate.code}@test.example"


def invited(manager, email, *roles):
    manager.get("settings/members")
    page = manager.post("settings/members", {"act": "invite", "email": email, "roles": list(roles) or ["core.auditor"]})
    assert page.status_code == 200, page.text
    return link_in(page)


def answer(app, link, **data):
    return HttpClient(app).post(
        link, data={"answer": "new", "name": "王敏", "password": PASSWORD, "locale": "en", **data}
    )


def sign_in(app, email, password=PASSWORD):
    http = HttpClient(app)
    return http, http.post("/sign-in", data={"email": email, "password": password}).status_code


def test_a_new_member_chooses_name_and_password_and_is_let_in(manager, estate, app, address):
    link = invited(manager, address.upper(), "core.auditor", "maintenance.technician")
    assert address in manager.get("settings/members").text and link not in manager.last.text, "shown once"
    shown = HttpClient(app).get(link, headers={"Accept-Language": "en"})
    assert "李静 invites" in shown.text and "Test" in shown.text and shown.headers["Referrer-Policy"] == "same-origin"
    http = HttpClient(app)
    done = http.post(link, data={"answer": "new", "name": "王敏", "password": PASSWORD, "locale": "zh_Hans"})
    assert (done.status_code, done.headers["Location"]) == (303, f"/e/{estate.code}")
    assert "王敏" in http.get(f"/e/{estate.code}").text
    assert sign_in(app, address)[1] == 303
    assert HttpClient(app).get(link).status_code == 404, "good once"
    assert "王敏" in manager.get("settings/members").text
    with estate.context() as ctx:
        events = ctx.session.scalars(select(Timeline.event).order_by(Timeline.sequence)).all()
        user = ctx.session.scalars(select(User).where(User.email == address)).one()
        roles = ctx.session.scalars(select(Membership.roles).where(Membership.user_id == user.id)).one()
    assert [each for each in events if each.startswith("member")] == ["member_invited", "member_added"]
    assert (roles, user.locale) == (["core.auditor", "maintenance.technician"], "zh_Hans")


def test_an_account_made_by_one_estate_does_not_open_another(manager, make_estate, app, address):
    """Who makes an account for somebody else's address has nothing of it when that address is invited elsewhere."""
    other = make_estate()
    answer(app, invited(manager, address), password=OTHERS)  # the first estate keeps the link and accepts by itself
    with other.context() as ctx:
        theirs = f"/invitation/{invitations.invite(ctx, email=address, roles=['core.manager']).link}"
    intruder, status = sign_in(app, address, OTHERS)
    assert status == 303
    assert intruder.get(f"/e/{other.code}/people").status_code == 404, "invited is not yet a member"
    assert address not in intruder.get("/estates").text
    refused = answer(app, theirs)
    assert refused.status_code == 409, "the owner learns that somebody has this account, instead of being one with them"
    assert intruder.get(f"/e/{other.code}/people").status_code == 404


def test_the_hosts_new_estate_is_not_opened_by_an_account_made_before(host, estate, app, address):
    answer(app, invited(host, address), password=OTHERS)
    intruder, _status = sign_in(app, address, OTHERS)
    code = f"h-{estate.code}"
    host.get("/host/new")
    made = host.post("/host/new", {"code": code, "name": "New", "email": address, "password": OTHERS, **ZONE})
    assert made.status_code == 200 and 'type="password"' not in host.get("/host/new").text
    assert intruder.get(f"/e/{code}/people").status_code == 404
    assert HttpClient(app).get(link_in(made)).status_code == 200


def test_an_existing_user_is_asked_and_not_named_before(manager, visitor, make_estate, app, estate):
    other = make_estate()
    asked = visitor("core.resident", name="业主甲")
    with other.context() as ctx:
        link = f"/invitation/{invitations.invite(ctx, email=asked.email, roles=['core.auditor']).link}"
    assert asked.get(f"/e/{other.code}").status_code == 404
    nobody = HttpClient(app).get(link).text
    assert "业主甲" not in nobody
    page = asked.get(link)
    assert "业主甲" in page.text and "Accept" in page.text
    assert asked.post(link, {"answer": "accept"}, token="forged").status_code == 403
    assert manager.get(link).status_code == 200 and "somebody else" in manager.last.text
    assert manager.post(link, {"answer": "accept"}).status_code == 403, "it is not theirs"
    asked.get(link)
    assert asked.post(link, {"answer": "accept"}).status_code == 303
    assert asked.get(f"/e/{other.code}").status_code == 200
    assert asked.get(f"/e/{estate.code}").status_code == 200


def test_an_invitation_can_be_declined_and_its_link_is_dead_then(manager, app, address, estate):
    link = invited(manager, address)
    assert "Declined" in HttpClient(app).post(link, data={"answer": "decline"}).text
    assert answer(app, link).status_code == 404
    assert address not in manager.get("settings/members").text
    with estate.context() as ctx:
        assert ctx.session.scalar(select(User.id).where(User.email == address)) is None
        assert "invitation_declined" in ctx.session.scalars(select(Timeline.event)).all()


def test_inviting_says_the_same_of_known_and_unknown_addresses(manager, user, make_estate, address):
    """`user` is a member of this estate; a member of another one must look like nobody at all."""
    other = make_estate()
    stranger = other.login("core.manager")
    with other.context() as ctx:
        known = ctx.session.scalars(
            select(User.email)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.person_id == stranger.person)
        ).one()
    pages = []
    for email in (known, address):
        link = invited(manager, email)
        text = manager.last.text.replace(link.rpartition("/")[2], "LINK").replace(email, "EMAIL")
        pages.append(
            re.sub(r'<svg.*?</svg>|name="_token" value="[^"]+"|name="invitation" value="[^"]+"|\d+:\d\d:\d\d', "", text)
        )
        manager.post("settings/members", {"act": "withdraw", "invitation": _pending(manager)})
    assert pages[0] == pages[1]
    manager.get("settings/members")
    assert (
        manager.post("settings/members", {"act": "invite", "email": user.email, "roles": "core.staff"}).status_code
        == 409
    )


def _pending(manager):
    return re.findall(r'name="invitation" value="([^"]+)"', manager.get("settings/members").text)[-1]


def test_a_new_link_kills_the_old_one_and_withdrawing_kills_it_too(manager, app, address):
    first = invited(manager, address)
    second = link_in(manager.post("settings/members", {"act": "renew", "invitation": _pending(manager)}))
    assert [HttpClient(app).get(each).status_code for each in (first, second)] == [404, 200]
    manager.post("settings/members", {"act": "withdraw", "invitation": _pending(manager)})
    assert HttpClient(app).get(second).status_code == 404
    assert answer(app, second).status_code == 404


def test_a_link_is_good_for_three_days_in_its_own_estate_and_stored_hashed(manager, estate, make_estate, app, address):
    link = invited(manager, address)
    secret = link.rpartition("/")[2]
    with estate.context() as ctx:
        row = ctx.session.scalars(select(Invitation)).one()
        assert row.expires_at - row.created_at == timedelta(hours=72)
        assert secret not in repr(vars(row))
        row.expires_at = ctx.now - timedelta(seconds=1)
    assert HttpClient(app).get(link).status_code == 404
    for wrong in ("x", "%00", secret[:-4], secret[::-1], "A" * 54):
        assert HttpClient(app).get(f"/invitation/{wrong}").status_code == 404, wrong


@pytest.mark.parametrize("password", ["short", "password1234", "Password1234!!", "x" * 129])
def test_a_poor_password_is_refused_and_nothing_is_written(manager, estate, app, address, password):
    link = invited(manager, address)
    refused = answer(app, link, password=password)
    assert refused.status_code == 422 and password not in refused.text and "王敏" in refused.text
    with estate.place.database.session() as session:
        assert session.scalar(select(User.id).where(User.email == address)) is None
    assert answer(app, link).status_code == 303, "the link is still good"


def test_the_estates_own_words_are_no_password(manager, app, address, estate):
    link = invited(manager, address)
    for password in (f"{estate.code.upper()}2026!", address, f"{address}1"):
        assert answer(app, link, password=password).status_code == 422, password


def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(manager, address):
    manager.get("settings/members")
    for typed in (
        {"email": "nobody", "roles": "core.staff"},
        {"email": address},
        {"email": address, "roles": "core.king"},
    ):
        page = manager.post("settings/members", {"act": "invite", **typed})
        assert page.status_code == 422 and f'value="{typed["email"]}"' in page.text
    assert manager.post("settings/members", {"act": "add", "email": address, "password": PASSWORD}).status_code == 404
    assert "Invited" not in manager.get("settings/members").text


def test_a_suspended_member_is_out_at_once_and_back_again(manager, visitor, estate):
    agent = visitor("core.agent", "customer_service.agent")
    with estate.place.database.session() as session:
        them = session.scalar(select(User.id).where(User.email == agent.email))
    client = estate.login("core.agent")
    with estate.context() as ctx:
        theirs = ctx.session.scalar(select(Membership.user_id).where(Membership.person_id == client.person))
        members.suspend(ctx, theirs)
    assert client.send("GET", client.url("people")).status_code == 404, "tokens too"
    assert agent.get("people").status_code == 200
    manager.get("settings/members")
    assert manager.post("settings/members", {"act": "suspend", "user": str(them)}).status_code == 303
    assert agent.get("people").status_code == 404
    assert estate.code not in agent.get("/estates").text
    manager.get("settings/members")
    manager.post("settings/members", {"act": "resume", "user": str(them)})
    assert agent.get("people").status_code == 200


def test_the_last_manager_stays(manager, visitor, estate):
    """A second role that may configure does not make somebody a manager."""
    only = visitor("core.manager")
    with estate.place.database.session() as session:
        me, them = (session.scalar(select(User.id).where(User.email == each.email)) for each in (manager, only))
    with estate.context() as ctx:
        members.suspend(ctx, me)
        for act in (members.suspend, members.remove, lambda *given: members.change_roles(*given, ["core.staff"])):
            with pytest.raises(members.Conflict, match="last manager"):
                act(ctx, them)
        members.resume(ctx, me)
        members.remove(ctx, them)


def test_what_a_member_sent_ends_with_their_membership(manager, visitor, estate, app, address):
    leaving = visitor("core.manager")
    link = invited(leaving, address)
    with estate.place.database.session() as session:
        them = session.scalar(select(User.id).where(User.email == leaving.email))
    manager.get("settings/members")
    manager.post("settings/members", {"act": "remove", "user": str(them)})
    assert HttpClient(app).get(link).status_code == 404


def test_the_api_invites_renews_lists_and_withdraws(estate, app, address):
    client, agent = estate.login("core.manager"), estate.login("core.agent", "customer_service.agent")
    url = f"/api/v1/estates/{estate.code}/invitations"
    body = {"email": address, "roles": ["core.staff"], "person": str(agent.person)}
    assert agent.send("POST", url, body).status_code == 403
    made = client.ask("POST", url, body)
    assert client.send("POST", url, {**body, "password": PASSWORD}).status_code == 422
    again = client.ask("POST", f"{url}/{made['id']}/renew")
    first, second = (each["link"].replace("http://localhost", "") for each in (made, again))
    assert [HttpClient(app).get(each).status_code for each in (first, second)] == [404, 200]
    listed = client.ask("GET", url)["items"]
    assert [(each["email"], each["roles"], "link" in each) for each in listed] == [(address, ["core.staff"], False)]
    assert client.send("DELETE", f"{url}/{made['id']}").status_code == 204
    assert client.send("DELETE", f"{url}/{made['id']}").status_code == 404
    assert HttpClient(app).get(second).status_code == 404
    assert client.ask("GET", url) == {"items": []}


def test_inviting_costs_the_same_for_known_and_unknown_addresses(
    estate, make_estate, installation, monkeypatch, address
):
    """What is asked of the database does not depend on whether there is such an account: no clock can tell."""
    other, asked = make_estate(), []
    stranger = other.login("core.manager")
    with other.context() as ctx:
        joined = select(User.email).join(Membership, Membership.user_id == User.id)
        known = ctx.session.scalars(joined.where(Membership.person_id == stranger.person)).one()
    for email in (address, known):
        with counted(installation, monkeypatch) as sent, estate.context() as ctx:
            invitations.invite(ctx, email=email, roles=["core.staff"])
        asked.append([each.split("%")[0] for each in sent])
    assert asked[0] == asked[1] and asked[0]


def test_many_at_the_same_moment_accept_an_invitation_once(manager, app, address, estate):
    link = invited(manager, address)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _number: answer(app, link).status_code, range(6)))
    assert sorted(answers) == [303] + [404] * 5
    with estate.context() as ctx:
        assert len(ctx.session.scalars(select(User.id).where(User.email == address)).all()) == 1


def test_two_estates_that_are_accepted_at_once_make_one_account(manager, app, address, make_estate):
    other = make_estate()
    with other.context() as ctx:
        theirs = f"/invitation/{invitations.invite(ctx, email=address, roles=['core.staff']).link}"
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda link: answer(app, link).status_code, (invited(manager, address), theirs)))
    assert sorted(answers) == [303, 409]
