"""Find a browser, and check what it shows of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

#: Names of the program on different systems. Playwright's own builds of the browser are not used.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Widths of a laptop and of a phone, with the height of the window.
SIZES = {"wide": (1280, 800), "narrow": (390, 844)}

#: Milliseconds that the browser waits for an element. Nothing in these tests depends on the speed of the machine.
TIMEOUT = 120_000


def find_chromium() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def chromium_arguments() -> list[str]:
    """Return the arguments without which Chromium does not start in a container."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else [])]


def overflowing(page: Any) -> list[str]:
    """Return the elements that make a page wider than the window."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > width + 1 || one.getBoundingClientRect().left < -1)
                .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    return found


def violations(page: Any, *, ignore: Sequence[str] = ()) -> list[str]:
    """Return the serious and critical violations that axe finds on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes']][:5]}"
        for one in found
        if one["impact"] in ("serious", "critical") and one["id"] not in ignore
    ]
