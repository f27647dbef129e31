"""Two flows with their budgets of clicks: an operator's own Excel comes in, a host makes a tenant."""

import re

import pytest
import xlsxwriter
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from sqlalchemy import func, select

from wuye.i18n import catalogue
from wuye.imports.files import read_table
from wuye.people.models import Occupancy
from wuye.properties.models import Property

HOMES = 3000
BAD = {7: ("建筑面积", "待测"), 500: ("联系电话", "无"), 2999: ("房号", "")}


class Clicks:
    """Clicks, counted; typing and choosing from a list is not, choosing a file is one."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def click(self, target):
        self.count += 1
        (self.page.locator(target) if isinstance(target, str) else target).first.click()

    def choose(self, field, path):
        self.count += 1
        self.page.set_input_files(field, path)


def say(text, locale):
    return (catalogue("zh_Hans").get(text) or text) if locale == "zh_Hans" else text


def operators_list(path):
    """Write a list of homes and owners as an operator keeps it: a title above, Chinese headers, some mistakes."""
    headers = ["楼栋", "单元", "房号", "建筑面积", "业主姓名", "联系电话", "内部代码"]
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("住户清册")
        sheet.write(0, 0, "望江花园住户清册（2026年3月）")
        sheet.write_row(1, 0, headers)
        for number in range(HOMES):
            building, rest = divmod(number, 120)
            row = [f"{building + 1}栋", f"{rest // 60 + 1}单元", f"{rest % 60 // 2 + 1:02}{rest % 2 + 1:02}", 72.5 + number % 60,
                   f"业主{number:04}", f"139{number:08}", f"K{number}"]  # fmt: skip
            if number in BAD:
                row[headers.index(BAD[number][0])] = BAD[number][1]
                if BAD[number][0] == "房号":
                    row[0] = row[1] = ""
            sheet.write_row(number + 2, 0, row)
    return path


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_three_thousand_homes_and_owners_come_in_with_five_clicks(
    estate, visitor, window, background, locale, tmp_path, pictures
):
    manager = visitor("core.manager", name="李静")
    path = operators_list(tmp_path / "住户清册.xlsx")
    page = window(manager, locale=locale)
    page.goto(f"/e/{estate.code}")
    clicks = Clicks(page)

    clicks.click(f".nav a:has-text('{say('Properties', locale)}')")
    clicks.click("a[href$='/properties/import']")
    clicks.choose("[name=file]", path)
    page.wait_for_url(re.compile(r"/import/[0-9a-f-]{36}$"))
    assert page.locator("select").evaluate_all("found => found.map(one => one.value)") == [
        "building", "entrance", "room", "area_m2", "person", "phone", "",
    ]  # fmt: skip
    page.screenshot(path=pictures / f"import-columns-{locale}.png")
    clicks.click("button[value=check]")
    expect(page.locator("[data-progress]")).to_be_visible()
    page.screenshot(path=pictures / f"import-progress-{locale}.png")
    assert Axe().run(page).response["violations"] == []
    background()
    expect(page.locator("button[value=write]")).to_be_visible()
    assert page.locator(".outcome dd").all_inner_texts() == ["2997", "0", "0", "3"]
    page.screenshot(path=pictures / f"import-checked-{locale}.png")
    clicks.click("button[value=write]")
    expect(page.locator("[data-ended]")).to_be_visible()
    assert page.locator(".outcome dd").all_inner_texts() == ["2997", "0", "0", "3"]
    assert clicks.count <= 5
    assert Axe().run(page).response["violations"] == []
    with page.expect_download() as download:
        page.click("a[href$='/rejected']")
    bad = tmp_path / "bad.xlsx"
    download.value.save_as(bad)
    table = read_table(bad)
    assert [row.values[4] for row in table.rows] == [f"业主{number:04}" for number in BAD]
    assert all(row.values[-1] for row in table.rows), "each has its reason"
    assert len(table.columns) == 8
    with estate.context() as ctx:
        count = ctx.session.scalar
        assert count(select(func.count()).select_from(Property).where(Property.kind == "unit")) == 2997
        assert count(select(func.count()).select_from(Occupancy)) == 2997


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_a_host_makes_a_tenant_with_four_clicks(estate, host, window, background, locale, pictures):
    page = window(host, locale=locale)
    page.goto("/host")
    clicks = Clicks(page)
    code = f"flow-{locale[:2]}-{estate.code[-8:]}"

    clicks.click("a[href='/host/new']")
    page.fill("[name=name]", "桂花园")
    page.fill("[name=code]", code)
    clicks.click("[name=plugins][value=customer_service]")
    clicks.click("[name=demo]")
    page.screenshot(path=pictures / f"host-new-{locale}.png")
    clicks.click(".form .btn.p")
    page.wait_for_url(f"**/host/estates/{code}")
    background()
    expect(page.locator("[data-changes] .tag.done")).to_be_visible()
    assert clicks.count <= 4
    page.screenshot(path=pictures / f"host-estate-{locale}.png")
    assert say("Maintenance", locale) in page.locator(".panel").first.inner_text()
    with estate.place.system_context(code) as ctx:
        assert ctx.plugins == {"core", "maintenance"}
        assert ctx.session.scalar(select(func.count()).select_from(Property)) > 20
