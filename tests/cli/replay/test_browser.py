"""The page of a replay in a real browser: it works, loads nothing, and runs no markup."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect, sync_playwright

from tests.cli.conftest import Cli
from tests.cli.replay.conftest import SESSION, Cast

pytestmark = pytest.mark.programs


@dataclass
class Tab:
    """A page, and all that it did beside showing itself."""

    page: Page
    requests: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """On the console, by errors, in dialogs."""

    def watch(self) -> None:
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("console", lambda one: self.told.append(one.text))
        self.page.on("pageerror", lambda one: self.told.append(str(one)))
        self.page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.told.append(dialog.message)
        dialog.dismiss()

    def shown(self) -> Locator:
        return self.page.locator("article.e").filter(visible=True)


@contextmanager
def opened(file: Path, *, scripts: bool = True) -> Iterator[Tab]:
    """Open a page, and fail in the end where it did anything but show itself."""
    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    with sync_playwright() as playwright:
        # Its sandbox is for pages from elsewhere, and wants more rights than a container has.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = Tab(browser.new_context(java_script_enabled=scripts).new_page())
        tab.watch()
        tab.page.goto(file.as_uri())
        yield tab
        browser.close()
        assert tab.requests == [file.as_uri()]
        assert tab.told == []


def written(on_stack: Cli, tmp_path: Path, session: str, tenant: str, *more: str) -> Path:
    file = tmp_path / "page.html"
    ran = on_stack(
        "replay", session, "--tenant", tenant, "--format", "html", "--out", str(file), *more
    )
    assert ran.code == 0, ran.err
    return file


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("more", [(), ("--diff", SESSION + "2")], ids=["one", "two"])
def test_nothing_that_an_agent_says_is_markup(
    more: tuple[str, ...], scripts: bool, hostile: str, on_stack: Cli, tmp_path: Path
) -> None:
    file = written(on_stack, tmp_path, SESSION, hostile, *more)
    with opened(file, scripts=scripts) as tab:
        expect(tab.page.locator("script, style")).to_have_count(2)
        expect(tab.page.locator("img, iframe, object, embed, link, base, form")).to_have_count(0)
        expect(tab.page.locator("body")).to_contain_text("<script>alert(1)</script>")


def test_a_page_needs_no_script(on_stack: Cli, cast: Cast, tmp_path: Path) -> None:
    file = written(on_stack, tmp_path, "refund-refused", cast.tenant)
    with opened(file, scripts=False) as tab:
        expect(tab.page.locator("#search")).to_be_hidden()
        asked = tab.page.locator("article.k-user").first
        expect(asked).to_be_visible()
        tab.page.get_by_label(re.compile("^User")).uncheck()
        expect(asked).to_be_hidden()
        turn = tab.page.locator("details.turn").first
        turn.locator("> summary").click()
        expect(turn.locator("article").filter(visible=True)).to_have_count(0)


def test_words_are_found_and_errors_are_gone_through(
    on_stack: Cli, cast: Cast, tmp_path: Path
) -> None:
    file = written(on_stack, tmp_path, "refund-refused", cast.tenant)
    with opened(file) as tab:
        everything = tab.shown().count()
        tab.page.keyboard.press("/")
        tab.page.keyboard.type("NINE months")
        expect(tab.page.locator("#found")).to_have_text(re.compile(r"^\d+ found$"))
        expect(tab.shown().filter(has_not_text="nine months")).to_have_count(0)
        expect(tab.shown().filter(has_text="nine months")).not_to_have_count(0)
        tab.page.keyboard.press("Escape")
        expect(tab.shown()).to_have_count(everything)
        tab.page.keyboard.press("e")
        wrong = tab.page.locator("article.err").first
        expect(wrong).to_have_class(re.compile(r"\bseen\b"))
        expect(wrong).to_be_in_viewport()
        tab.page.locator("#search").fill("no agent said this")
        expect(tab.page.locator("#none")).to_be_visible()
