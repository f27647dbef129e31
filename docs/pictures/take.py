"""Takes the README's pictures of the demo: `python docs/pictures/take.py` (needs Chromium and the `test` extra)."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from wuye.db.local import LocalPostgres

PORT = 18099
SITE = f"http://127.0.0.1:{PORT}"
HERE = Path(__file__).parent
#: Name, who looks, language, theme, width, address; `>` goes on to the first item of the list.
PICTURES = (
    ("desk", "agent", "zh_Hans", "light", 1280, "/e/demo/customer-service/requests?tab=all >"),
    ("overview", "manager", "en", "dark", 1280, "/e/demo/overview"),
    ("phone", "technician", "zh_Hans", "light", 390, "/f/demo >"),
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        wuye = [sys.executable, "-m", "wuye", "--data", folder]
        made = subprocess.run([*wuye, "demo", "--no-serve", "--json"], check=True, capture_output=True, text=True)
        passwords = {user["email"]: user["password"] for user in json.loads(made.stdout)["users"]}
        server = subprocess.Popen(
            [*wuye, "demo", "--port", str(PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait()
            take(passwords)
        finally:
            server.terminate()
            server.wait()
            LocalPostgres(Path(folder) / "postgres").remove()


def wait():
    for _time in range(200):
        try:
            urllib.request.urlopen(f"{SITE}/readyz")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit("the demo does not answer")


def take(passwords):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, who, locale, theme, width, address in PICTURES:
            context = browser.new_context(viewport={"width": width, "height": 800}, base_url=SITE)
            context.add_cookies(
                [{"name": n, "value": v, "url": SITE} for n, v in (("locale", locale), ("theme", theme))]
            )
            page = context.new_page()
            page.goto("/sign-in")
            page.fill("#e", f"{who}@demo.example")
            page.fill("#p", passwords[f"{who}@demo.example"])
            page.click(".btn.p")
            page.wait_for_url(re.compile("/[ef]/demo$"))
            page.goto(address.removesuffix(" >"))
            if address.endswith(">"):
                page.locator(".item .ttl, .job .ttl").first.click()
                page.wait_for_load_state()
            page.screenshot(path=HERE / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
