"""An estate on its first day, the wizard and the console: looked at in both languages and themes, wide and narrow."""

import io

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

REQUESTS = "/customer-service/requests"
EMPTY = [
    ("desk", ""), ("list", REQUESTS), ("table", f"{REQUESTS}?view=table"), ("board", f"{REQUESTS}?view=board"),
    ("calendar", f"{REQUESTS}?view=calendar"), ("chart", f"{REQUESTS}?view=chart"), ("pivot", f"{REQUESTS}?view=pivot"),
    ("overview", "/overview"), ("coordination", "/coordination"), ("notifications", "/notifications"),
    ("search", "/search"), ("search-nothing", "/search?q=不存在"), ("properties", "/properties"),
    ("filtered", f"{REQUESTS}?filter[state]=closed&tab=all"),
]  # fmt: skip
LOOKS = [("en", "light", 1440), ("zh_Hans", "dark", 1440), ("zh_Hans", "light", 390), ("en", "dark", 360)]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def faults_of(page, name, pictures, look):
    """Take a picture of a page and yield what is wrong with it."""
    page.screenshot(path=pictures / f"{name}-{'-'.join(map(str, look))}.png", full_page=True)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield name, "scrolls sideways"
    for violation in Axe().run(page, options=RULES).response["violations"]:
        yield name, violation["id"], [node["html"][:120] for node in violation["nodes"][:2]]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look)))
def test_a_new_estate_is_not_just_empty(estate, visitor, window, pictures, look):
    locale, theme, width = look
    page = window(visitor("core.manager", name="李静"), locale=locale, theme=theme, width=width)
    faults, silent = [], []
    for name, path in EMPTY:
        answer = page.goto(f"/e/{estate.code}{path}")
        assert answer.status == 200, name
        faults += faults_of(page, f"empty-{name}", pictures, look)
        if page.locator("main .empty, main .none").count() == 0 and name != "search":
            silent.append(name)
    assert (faults, silent) == ([], [])


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look)))
def test_the_wizard_and_the_console_can_be_used_by_everybody(estate, host, window, pictures, look):
    locale, theme, width = look
    page = window(host, locale=locale, theme=theme, width=width)
    faults = []

    def look_at(name, path=None):
        if path is not None:
            assert page.goto(path).status == 200
        faults.extend(faults_of(page, name, pictures, look))

    home = f"/e/{estate.code}"
    look_at("import-settings", f"{home}/settings/imports")
    look_at("import-start", f"{home}/people/import")
    page.click("details.panel summary")
    look_at("import-understood")
    sheet = "姓名,入住日期,电话,备用\n" + "".join(
        f"业主{n},0{n}/05/2025,{'x' if n == 3 else '1390000000' + str(n)},-\n" for n in range(1, 8)
    )
    page.set_input_files("[name=file]", {"name": "住户.csv", "mimeType": "text/csv", "buffer": sheet.encode()})
    expect(page.locator(".columns")).to_be_visible()
    look_at("import-columns")
    page.click("button[value=check]")
    expect(page.locator("[aria-invalid]")).to_be_visible()
    look_at("import-asked")
    page.select_option("[aria-invalid]", "DD/MM/YYYY")
    page.click("button[value=check]")
    expect(page.locator("button[value=write]")).to_be_visible()
    look_at("import-checked")
    page.click("button[value=write]")
    expect(page.locator("a:has-text('XLSX')")).to_be_visible()
    look_at("import-done")
    look_at("import-recent", f"{home}/people/import")
    page.set_input_files("[name=file]", {"name": "住户.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 x"})
    expect(page.locator("[role=alert]")).to_be_visible()
    look_at("import-refused")
    look_at("host", "/host")
    look_at("host-none", "/host?q=nowhere")
    look_at("host-new", "/host/new")
    look_at("host-estate", f"/host/estates/{estate.code}")
    page.click("button[value=suspend]")
    expect(page.locator("[role=alert]")).to_be_visible()
    look_at("host-suspend")
    page.goto(f"/host/estates/{estate.code}")
    page.click("button[value=export_estate]")
    expect(page.locator("[data-progress]")).to_be_visible()
    look_at("host-working")
    assert faults == []


def test_the_wizard_works_without_a_script(estate, visitor, window, background):
    page = window(visitor("core.manager"), script=False)
    page.goto(f"/e/{estate.code}/people/import")
    rows = "姓名\n" + "".join(f"业主{n}\n" for n in range(400))
    page.set_input_files("[name=file]", {"name": "住户.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.click("form .upload + .btn, form .upload button")
    expect(page.locator(".columns li")).to_have_count(1)
    page.click("button[value=check]")
    background()
    expect(page.locator("button[value=write]")).to_be_visible()
    page.click("button[value=write]")
    expect(page.locator(".outcome dd").first).to_have_text("400")


def test_a_workbook_has_other_sheets(estate, visitor):
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        for name, header in (("说明", "项目"), ("住户", "姓名")):
            book.add_worksheet(name).write_column(0, 0, [header, "张三"])
    manager = visitor("core.manager")
    manager.get("people/import")
    address = manager.post("people/import", {"file": (io.BytesIO(buffer.getvalue()), "两张表.xlsx")}).headers[
        "Location"
    ]
    assert "住户" in manager.get(address).text
    assert manager.post(address, {"act": "sheet", "sheet": "住户"}).status_code == 303
    assert '<option value="name" selected>' in manager.get(address).text
