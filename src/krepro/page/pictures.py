"""Pictures of the page, taken in a browser: ``python -m krepro.page.pictures PAGE FOLDER``."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Containers run as root, where the sandbox does not.
FLAGS = ("--no-sandbox", "--disable-gpu")
DESKTOP, PHONE = (1280, 800), (375, 740)


@dataclass(frozen=True)
class Picture:
    """A picture: its name, what is looked at, on which screen."""

    name: str
    address: str
    screen: tuple[int, int] = DESKTOP
    dark: bool = False


PICTURES = (
    Picture("index-light", "index.html"),
    Picture("index-dark", "index.html", dark=True),
    Picture("comparison", "index.html#a=3.5.0&b=3.7.0&area=trainer"),
    Picture("evidence", "index.html#at=outer_compile_drops_inner_loss_tracker@3.6.0"),
    Picture("repro", "repro/outer_compile_drops_inner_loss_tracker.html"),
    Picture("phone", "index.html", PHONE),
)


def find_browser() -> str | None:
    """Return the path of a browser that can be driven, or None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def take(browser: Browser, page: Path, folder: Path) -> None:
    """Take every picture of a page into a folder, as PNG files.

    Raises:
        FileNotFoundError: there is no page.
    """
    if not (page / "index.html").is_file():
        raise FileNotFoundError(f"{page}: no page: krepro page --output {page} writes one")
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        width, height = picture.screen
        tab = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if picture.dark else "light",
        )
        tab.goto(f"{page.absolute().as_uri()}/{picture.address}")
        if "at=" in picture.address:
            tab.wait_for_selector("#evidence-body h3")
        tab.screenshot(path=folder / f"{picture.name}.png")
        tab.close()


def main(page: str, folder: str) -> None:
    """Take the pictures with a browser that is there."""
    path = find_browser()
    if path is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        take(browser, Path(page), Path(folder))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
