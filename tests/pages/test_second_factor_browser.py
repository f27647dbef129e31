"""Setting a second factor up and signing in with it, in a browser, on a phone too."""

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.pages.conftest import PASSWORD
from tests.pages.test_looks import RULES

from wuye.clock import SystemClock

WORDS = {"en": ("Set up", "Turn it on", "go on"), "zh_Hans": ("开始设置", "启用", "继续")}


@pytest.mark.parametrize(("locale", "width"), [("en", 1440), ("zh_Hans", 390)])
def test_somebody_sets_it_up_and_signs_in_by_a_recovery_code(window, user, estate, locale, width, pictures):
    begin, on, go = WORDS[locale]
    page = window(locale=locale, width=width)

    def looked_at(name):
        page.screenshot(path=pictures / f"{name}-{locale}-{width}.png", full_page=True)
        assert Axe().run(page, options={"runOnly": RULES}).response["violations"] == [], name
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), name

    def sign_in():
        page.goto("/sign-in?next=/profile")
        page.locator("#e").fill(user.email)
        page.locator("#p").fill(PASSWORD)
        page.locator("form[action='/sign-in'] button").first.click()

    sign_in()
    page.wait_for_url("**/profile")
    looked_at("profile")
    page.locator("a[href='/profile/second-factor']").click()
    page.get_by_role("button", name=begin).click()
    key = page.locator("#fk").input_value().replace(" ", "")
    looked_at("factor")
    page.locator("input[name=code]").fill(pyotp.TOTP(key).at(SystemClock().now()))
    page.get_by_role("button", name=on).click()
    codes = page.locator(".codes li").all_text_contents()
    looked_at("codes")
    page.get_by_role("link", name=go).click()
    page.wait_for_url("**/profile")
    page.context.clear_cookies(name="wuye")
    sign_in()
    page.wait_for_url("**/sign-in/second-factor**")
    looked_at("sign-in-code")
    page.locator("input[name=code]").fill(codes[3])
    page.locator("form[action='/sign-in/second-factor'] button").click()
    page.wait_for_url("**/profile")
