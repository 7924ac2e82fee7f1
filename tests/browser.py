"""A real browser for tests, and tabs that are held to log no error."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

from krepro.page.pictures import BROWSERS, FLAGS, find_browser


def browser_or_skip() -> str:
    """The path of a browser: one that is there, else Debian's, installed where that is allowed."""
    found = find_browser()
    installs = shutil.which("apt-get") and os.geteuid() == 0
    if found is None and installs:
        # Processes of pytest-xdist come here at one time.
        with FileLock(Path(tempfile.gettempdir()) / "krepro-browser.lock"):
            if find_browser() is None:
                for words in (["update"], ["install", "-y", "--no-install-recommends"]):
                    package = ["chromium"] if "install" in words else []
                    subprocess.run(
                        ["apt-get", "-qq", *words, *package],
                        check=False,
                        capture_output=True,
                        timeout=600,
                    )
        found = find_browser()
    if found is None:
        why = (
            "apt-get could not install one" if installs else "cannot be installed from here"
        )
        pytest.skip(f"needs a browser ({', '.join(BROWSERS)}), and {why}")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browser_or_skip()
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


class Tabs:
    """Opens pages; keeps what goes wrong in them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self.folder = folder
        self.wrong: list[str] = []
        self.contexts: list[Any] = []

    def open(
        self, address: str = "index.html", *, width: int = 1280, **options: Any
    ) -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": 800}, **options
        )
        self.contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        tab.on(
            "console",
            lambda said: said.type in ("error", "warning") and self.wrong.append(said.text),
        )
        tab.on("request", self.request)
        tab.goto(f"{self.folder.as_uri()}/{address}")
        return tab

    def request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.wrong.append(f"asks the network for {request.url}")
