"""Draw the icons of the installable phone pages from the logo: `python docs/pictures/icons.py`."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).parents[2] / "core" / "wuye" / "pages" / "static"
_PAGE = "<style>body{{margin:0;background:#0A6B5E;display:grid;place-items:center;height:100vh;color:#fff}}svg{{width:64%}}</style>{}"


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size in (192, 512):
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(_PAGE.format((STATIC / "logo.svg").read_text("utf-8")))
            page.screenshot(path=STATIC / f"app-{size}.png")
        browser.close()


if __name__ == "__main__":
    main()
