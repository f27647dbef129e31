"""Inviting somebody, as the manager and the invited see it: in a browser, on a phone too."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.pages.test_looks import RULES

WORDS = {
    "en": ("Invite somebody", "Invite", "Make my account and accept", "Copy the address"),
    "zh_Hans": ("邀请成员", "邀请", "创建账号并接受", "复制链接"),
}


@pytest.mark.parametrize(("locale", "width"), [("en", 1440), ("zh_Hans", 390)])
def test_a_manager_hands_over_a_link_and_the_invited_gets_in_by_it(visitor, window, estate, locale, width, pictures):
    heading, invite, accept, copy = WORDS[locale]
    page = window(visitor("core.manager", name="李静"), locale=locale, width=width)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/e/{estate.code}/settings/members")
    form = page.locator("form", has=page.get_by_role("heading", name=heading))
    form.locator("input[name=email]").fill(f"{estate.code}@new.example")
    form.locator("input[value='core.agent']").check()
    form.get_by_role("button", name=invite, exact=True).click()
    slip = page.locator(".slip")
    link = slip.locator("input").input_value()
    slip.get_by_role("button", name=copy).click()
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert Axe().run(page, options={"runOnly": RULES}).response["violations"] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.screenshot(path=pictures / f"invited-{locale}-{width}.png", full_page=True)
    page.emulate_media(media="print")
    page.screenshot(path=pictures / f"slip-{locale}-{width}.png")
    assert slip.is_visible() and not form.is_visible(), "only the slip is printed"

    guest = window(locale=locale, width=width)
    guest.goto(re.sub(r"^https?://[^/]+", "", link))
    guest.locator("input[name=name]").fill("王敏")
    guest.locator("input[name=password]").fill("password1234")
    guest.get_by_role("button", name=accept).click()
    guest.locator("[role=alert]").wait_for()
    guest.screenshot(path=pictures / f"invitation-refused-{locale}-{width}.png", full_page=True)
    guest.locator("input[name=password]").fill("four quite unrelated words")
    guest.get_by_role("button", name=accept).click()
    guest.wait_for_url(f"**/e/{estate.code}")
    assert "王敏" in guest.content()


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_the_hosts_accounts_can_be_used_by_everybody(host, window, user, locale, pictures):
    page = window(host, locale=locale)
    for name, address in (("host-users", "/host/users"), ("host-user", f"/host/users/{user.id}")):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        assert Axe().run(page, options={"runOnly": RULES}).response["violations"] == [], name
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (name, width)
            page.screenshot(path=pictures / f"{name}-{locale}-{width}.png", full_page=True)
