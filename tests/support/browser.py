"""A real browser (Debian's Chromium) that looks at the dashboard, and what it complained about."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

# Where screenshots go, for people to look at: set by hand.
_SHOTS = os.environ.get("DASHBOARD_SHOTS")

# As on a busy machine (milliseconds).
_PATIENCE = 60_000


class Looked:
    """A page, and the errors in its console."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # Links of amphorae are made on this machine meanwhile, and the page repeats what the browser ended for that.
        if message.type == "error" and "net::ERR_NETWORK_CHANGED" not in message.text:
            self.errors.append(f"{message.text} {message.location['url']}")

    def open(self, path: str = "") -> None:
        """Go to an address below `/dashboard`."""
        self.page.goto(f"{self.url}/dashboard{path}")

    def log_in(self, user: str, password: str) -> None:
        """Fill in the login page."""
        self.open()
        self.page.fill("[name=username]", user)
        self.page.fill("[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_selector(".shell")

    def sees(self, text: str) -> None:
        """Wait until a text is in sight."""
        self.page.get_by_text(text).first.wait_for()

    def click(self, name: str) -> None:
        """Click the button or link of a name, the one in front."""
        place = self.page.locator("dialog[open]").last if self.page.locator("dialog[open]").count() else self.page
        place.get_by_role("button", name=name, exact=True).or_(
            place.get_by_role("link", name=name, exact=True)
        ).first.click()

    def shoot(self, name: str) -> None:
        """Keep pictures of the page in both themes, where someone wants them."""
        if _SHOTS is None:
            return
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=str(Path(_SHOTS) / f"{name}-{theme}.png"))
        self.page.emulate_media(color_scheme="light")


@contextlib.contextmanager
def looking(url: str, *, width: int = 1280, height: int = 800, locale: str = "en-GB") -> Iterator[Looked]:
    """Open a browser for the block, in the network namespace of this thread. Skips without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is missing: apt-get install chromium, or run ./dev test")
    # Chromium's sandbox needs a user that is not root.
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, color_scheme="light", reduced_motion="reduce"
        )
        context.set_default_timeout(_PATIENCE)
        yield Looked(context.new_page(), url)
        browser.close()
