"""Customer service by itself."""

import pytest

from wuye.testing import Refused, conformance
from wuye_customer_service.plugin import plugin

TestConformance = conformance(plugin)


def test_an_inquiry_is_answered_at_once(login):
    resident, agent = login("core.resident"), login("customer_service.agent")

    request = resident.create("requests", title="When does the pool open?", request_kind="inquiry")
    request = agent.act("requests", request, "answer", resolution="On 1 May.")
    assert request["state"] == "resolved"

    request = resident.act("requests", request, "confirm")
    assert (request["state"], request["accepted_how"]) == ("accepted_by_requester", "explicit")
    request = agent.act("requests", request, "close")
    assert request["closed_at"] is not None
    assert [entry["event"] for entry in resident.timeline("requests", request)] == [
        "created",
        "answer",
        "confirm",
        "close",
    ]


def test_a_resident_is_the_requester_and_sees_no_other_request(login):
    chen, lin = login("core.resident"), login("core.resident")

    request = chen.create("requests", title="Noise at night", request_kind="complaint")

    assert request["requester"]["id"] == str(chen.person)
    assert lin.list("requests") == []
    with pytest.raises(Refused) as refused:
        lin.get("requests", request)
    assert refused.value.status == 404


def test_a_request_is_rated_once_and_only_by_its_requester(login):
    resident, agent = login("core.resident"), login("customer_service.agent")
    request = resident.create("requests", title="Lamp", request_kind="inquiry")
    agent.act("requests", request, "answer", resolution="Changed.")

    assert resident.act("requests", request, "rate", rating=5, comment="Quick")["rating"] == 5
    with pytest.raises(Refused) as again:
        resident.act("requests", request, "rate", rating=1)
    assert again.value.status == 409
    with pytest.raises(Refused) as foreign:
        agent.act("requests", request, "rate", rating=1)
    assert foreign.value.status == 403


def test_requests_merge_into_another_open_one_only(login):
    agent = login("customer_service.agent")
    first = agent.create("requests", title="Lift stuck", request_kind="repair")
    second = agent.create("requests", title="Lift stuck again", request_kind="repair")

    with pytest.raises(Refused) as itself:
        agent.act("requests", second, "merge", into=second["id"])
    assert itself.value.problem["errors"][0]["field"] == "into"
    merged = agent.act("requests", second, "merge", into=first["id"])
    assert (merged["state"], merged["merged_into"]["label"]) == ("merged", first["number"])


def test_a_phone_number_is_masked_until_somebody_says_why_they_need_it(login):
    agent = login("customer_service.agent")
    request = agent.create("requests", title="Call me", request_kind="inquiry", contact_phone="13812345678")
    assert request["contact_phone"] == "138****5678"

    url = agent.url("requests", request["id"], "reveal")
    assert agent.send("POST", url, {"field": "contact_phone"}).status_code == 422
    shown = agent.ask("POST", url, {"field": "contact_phone", "reason": "calling back"})
    assert shown["value"] == "13812345678"
    last = agent.timeline("requests", request)[-1]
    assert (last["event"], last["data"]["reason"]) == ("revealed", "calling back")

    agent.edit("requests", agent.get("requests", request), contact_phone="13987654321")
    assert "13987654321" not in str(agent.timeline("requests", request))
