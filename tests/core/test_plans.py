"""What a list reads: no more than its page, however large the estate is among small ones."""

import pytest

from wuye.api import open_record
from wuye.db.session import EstateSession
from wuye.resources import query
from wuye.testing import TestEstate
from wuye_maintenance.models import WorkOrder

#: Pages of 50 read one row more, to know whether there is a next one.
PAGE = 51


@pytest.fixture(scope="module")
def large(installation, app):
    """An estate with much work among others with one piece each."""
    estates = [TestEstate(installation, app) for _number in range(30)]
    for estate in estates:
        with estate.context() as ctx:
            for number in range(600 if estate is estates[0] else 1):
                open_record(ctx, WorkOrder, {"title": f"No. {number}", "order_type": "corrective"})
            ctx.seal()
    with installation.database.engine("owner").begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    return estates[0]


def scans(node):
    """Yield what each scan of the work read: rows given and rows thrown away, of all its runs."""
    if node.get("Relation Name") in ("core_record", "maintenance_work_order"):
        thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield (node["Actual Rows"] + thrown) * node["Actual Loops"]
    for below in node.get("Plans", ()):
        yield from scans(below)


@pytest.mark.parametrize(
    "asked",
    ["", "sort=due_at&filter[phase]=!done", "filter[state]=draft", "filter[phase]=!done&filter[assignee]=null", "far"],
)
def test_a_list_reads_no_more_of_a_large_estate_than_its_page(large, monkeypatch, asked):
    plans = []
    fetch = EstateSession.fetch

    def explained(session, sql, parameters):
        if "core_record" in sql:
            plans.append(fetch(session, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)[0][0][0]["Plan"])
        return fetch(session, sql, parameters)

    with large.context() as ctx:
        resource = ctx.loaded.registry.resources["maintenance.work-orders"]
        arguments = dict(pair.split("=", 1) for pair in asked.split("&") if "=" in pair)
        wanted = query.parse(resource, {name: [value] for name, value in arguments.items()})
        if asked == "far":
            after = query.run(ctx, resource, query.parse(resource, {"limit": ["200"]})).after
            wanted = query.parse(resource, {"after": [after]})
        monkeypatch.setattr(EstateSession, "fetch", explained)
        page = query.run(ctx, resource, wanted)
    assert len(page.items) == 50 and page.after
    assert len(plans) == 1 and max(scans(plans[0])) <= PAGE
