"""Use a page as people do: with the mouse, or with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: Largest number of times that Tab is pressed to reach an element. No page has more elements that can have the focus.
_TABS = 200


class Hands(Protocol):
    """What somebody does on a page. An element is named by a selector of Playwright."""

    def press(self, page: Page, selector: str) -> None:
        """Press a link, a button or a checkbox, or open a disclosure."""

    def write(self, page: Page, selector: str, text: str) -> None:
        """Replace the content of a text field."""

    def pick(self, page: Page, selector: str) -> None:
        """Choose a radio button."""

    def drop(self, page: Page, selector: str, path: Path) -> None:
        """Choose a file."""


class Mouse:
    """Hands that use the mouse, and the keyboard for texts only."""

    def press(self, page: Page, selector: str) -> None:
        page.locator(selector).first.click()

    def write(self, page: Page, selector: str, text: str) -> None:
        page.locator(selector).first.fill(text)

    def pick(self, page: Page, selector: str) -> None:
        page.locator(selector).first.click()

    def drop(self, page: Page, selector: str, path: Path) -> None:
        page.locator(selector).first.set_input_files(path)


class Keyboard:
    """Hands that use the keyboard alone: Tab moves the focus, and Enter, Space and the arrows do the rest."""

    def press(self, page: Page, selector: str) -> None:
        found = self._reach(page, selector)
        page.keyboard.press("Space" if found.evaluate("one => one.matches('[type=checkbox]')") else "Enter")

    def write(self, page: Page, selector: str, text: str) -> None:
        self._reach(page, selector)
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)

    def pick(self, page: Page, selector: str) -> None:
        # Of the radio buttons of a group, Tab reaches the chosen one, and the arrows choose another one.
        found = page.locator(selector).first
        name = found.get_attribute("name")
        self._reach(page, f"input[name={name}]:checked")
        for _ in range(page.locator(f"input[name={name}]").count()):
            if found.is_checked():
                return
            page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrows do not reach {selector}")

    def drop(self, page: Page, selector: str, path: Path) -> None:
        from playwright.sync_api import TimeoutError as NotOpenedError

        # Once in a while, a headless browser does not open the dialog at the first press.
        for attempt in range(3):
            self._reach(page, selector)
            try:
                with page.expect_file_chooser(timeout=30_000) as chooser:
                    page.keyboard.press("Enter")
            except NotOpenedError:
                if attempt == 2:
                    raise
            else:
                chooser.value.set_files(path)
                return

    def _reach(self, page: Page, selector: str) -> Locator:
        """Press Tab until an element has the focus."""
        found = page.locator(selector).first
        found.wait_for()
        for _ in range(_TABS):
            if found.evaluate("one => one === document.activeElement"):
                return found
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")
