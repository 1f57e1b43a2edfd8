"""Each form of a real session, and what hostile text must not do in any."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headrace.events.envelope import decode
from headrace.sinks.connection import connect as connect_writer
from tests.cli.conftest import Cli, Stack, insert, line
from tests.cli.replay.conftest import SESSION, Cast
from tests.cli.test_hostile import assert_harmless, on_terminal
from tests.support import unique

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "p", "h1", "dl", "div", "dt"),
    *("dd", "code", "section", "b", "span", "i", "figure", "svg", "a", "rect", "details", "ol"),
    *("summary", "li", "time", "nav", "input", "label", "small", "button", "main", "strong"),
    *("em", "q", "article", "pre", "script", "table", "thead", "tbody", "tr", "th", "td"),
}
FORMS = ("text", "md", "html", "jsonl", "json")


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.policy = ""
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""
        if tag not in {"meta", "input", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.text += data


def assert_self_contained(page: str) -> Tags:
    tags = Tags(page)
    assert tags.open == []
    assert tags.tags <= TAGS
    (script,), (style,) = tags.scripts, tags.styles
    names = {name for name, _ in tags.attributes}
    assert not {name for name in names if name.startswith("on") or name in {"style", "src"}}
    for name, value in tags.attributes:
        assert name != "href" or re.fullmatch(r"#[er]\d+", value or "")
    for text, directive in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in tags.policy
    assert tags.policy.startswith("default-src 'none'; ")
    assert "unsafe" not in tags.policy
    assert "url(" not in style
    assert "http" not in script + style
    return tags


@pytest.mark.parametrize("form", FORMS)
def test_no_form_drives_a_terminal(form: str, hostile: str, stack: Stack) -> None:
    state = ("--state-dir", str(stack.settings.state_dir))
    args = ("replay", "--tenant", hostile, "--format", form, *state, "--", SESSION)
    written = on_terminal(*args)
    assert "alert(1)" in written
    assert_harmless(written)
    if form != "jsonl":
        assert_harmless(on_terminal(*args[:-2], "--diff", SESSION + "2", "--full", "--", SESSION))


@pytest.mark.parametrize("more", [(), ("--diff", SESSION + "2")])
def test_a_page_holds_no_markup_of_an_agent(
    more: tuple[str, ...], hostile: str, on_stack: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    args = ("--tenant", hostile, "--format", "html", "--out", str(out), *more)
    ran = on_stack("replay", SESSION, *args)
    assert (ran.code, ran.out) == (0, "")
    assert re.fullmatch(rf"headrace: {re.escape(str(out))}: 1[67] events\n", ran.err)
    page = out.read_text(encoding="utf-8")
    tags = assert_self_contained(page)
    assert "<script>alert(1)</script>" in tags.text
    assert_harmless(page)


@pytest.mark.parametrize("more", [(), ("--diff", SESSION + "2")])
def test_markdown_of_an_agent_stays_in_code(
    more: tuple[str, ...], hostile: str, on_stack: Cli
) -> None:
    page = on_stack("replay", SESSION, "--tenant", hostile, "--format", "md", "--full", *more).out
    assert_harmless(page)
    fence = ""
    for text in page.splitlines():
        mark = re.match(r"\s*(`{3,})(text|diff)?$", text)
        if mark and fence in {"", mark.group(1)}:
            fence = "" if fence else mark.group(1)
            continue
        if fence:
            continue
        bare = re.sub(
            r"<code>[^<]*</code>", "", re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
        )
        for active in ("<script", "<img", "](", "@everyone", "www.", "http:", "`"):
            assert active not in bare, text
    assert fence == ""


def test_a_page_tells_a_real_session(on_stack: Cli, cast: Cast, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    args = ("replay", "refund-refused", "--tenant", cast.tenant, "--format", "html")
    assert on_stack(*args, "--out", str(out)).code == 0
    page = out.read_text(encoding="utf-8")
    tags = assert_self_contained(page)
    assert "Refund o-0417, it is only nine months old!" in tags.text
    assert "tool issue_refund confirmation: reject by nora" in tags.text
    entries = on_stack(*args[:-2], "--json").objects
    targets = set(re.findall(r'id="(e\d+)"', page))
    assert targets == {f"e{number}" for number in range(len(entries))}
    assert set(re.findall(r'href="#(e\d+)"', page)) <= targets


def test_markdown_tells_a_real_session(on_stack: Cli, cast: Cast) -> None:
    page = on_stack("replay", "refund-refused", "--tenant", cast.tenant, "--format", "md").out
    assert page.startswith("## Session `refund-refused`\n")
    assert "### 1 error\n" in page
    assert re.search(
        r"<summary>✗ <b>turn 1 ok, 2 tools, [\d.]+ m?s</b> at \d+\.\d+</summary>", page
    )
    assert page.count("<details") == page.count("</details>") == 1


def test_entries_are_those_of_the_timeline(on_stack: Cli, cast: Cast) -> None:
    args = ("replay", "monthly-revenue", "--tenant", cast.tenant)
    assert on_stack(*args, "--json").out == on_stack(*args, "--format", "json").out


@pytest.mark.parametrize("session", ["monthly-revenue", "refund-agreed", "forget-me"])
def test_lines_are_what_was_archived(session: str, on_stack: Cli, cast: Cast) -> None:
    ran = on_stack("replay", session, "--tenant", cast.tenant, "--format", "jsonl")
    written = [text.encode() for text in ran.out.splitlines()]
    expected = cast.of(session)
    assert [decode(text) for text in written] == [decode(text) for text in expected]
    assert [data_of(text) for text in written] == [data_of(text) for text in expected]


def test_data_is_copied_byte_for_byte(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    payloads = [
        b'{ "b" : 1.0,  "a":1e400, "a":2 }',
        '{"text":"ü \u2028\u202e \\u00fc \\ud83d 𝄞"}'.encode(),
        b'{"n":123456789012345678901234567890,\n"m":0.10}',
    ]
    prefix = line(tenant, "s", 1, "x", {}).partition(b',"seq"')[0]
    insert(
        stack,
        [
            prefix + b',"seq":%d,"ts":1700000000.25,"type":"x","data":%b}' % (seq, payload)
            for seq, payload in enumerate(payloads, start=1)
        ],
    )
    out = on_stack("replay", "s", "--tenant", tenant, "--format", "jsonl").out
    written = [text.encode() for text in out.split("\n")[:-1]]
    assert [data_of(text) for text in written] == [p.replace(b"\n", b" ") for p in payloads]
    assert [json.loads(text)["ts"] for text in written] == [1700000000.25] * 3


def data_of(text: bytes) -> bytes:
    return text.partition(b',"data":')[2][:-1]


@pytest.mark.parametrize("form", FORMS)
def test_what_was_written_is_told_beside_the_output(
    form: str, on_stack: Cli, cast: Cast, tmp_path: Path
) -> None:
    out = tmp_path / "session"
    args = ("replay", "small-talk", "--tenant", cast.tenant, "--format", form)
    told = on_stack(*args, "--out", str(out))
    assert told.out == ""
    assert told.err == f"headrace: {out}: {len(cast.of('small-talk'))} events\n"
    assert on_stack(*args).err == on_stack(*args, "--out", "-").err == ""


def test_of_two_sessions_both_ones_events_are_told(
    on_stack: Cli, cast: Cast, tmp_path: Path
) -> None:
    out = tmp_path / "session"
    args = ("replay", "small-talk", "--diff", "refund-refused", "--tenant", cast.tenant)
    both = len(cast.of("small-talk")) + len(cast.of("refund-refused"))
    assert on_stack(*args, "--out", str(out)).err == f"headrace: {out}: {both} events\n"


def test_a_file_is_never_written_over_unasked(on_stack: Cli, cast: Cast, tmp_path: Path) -> None:
    out = tmp_path / "session.jsonl"
    args = ("replay", "small-talk", "--tenant", cast.tenant, "--format", "jsonl")
    assert on_stack(*args, "--out", str(out)).code == 0
    first = out.read_bytes()
    assert first.splitlines() == on_stack(*args, "--out", "-").out.encode().splitlines()
    again = on_stack(*args, "--out", str(out))
    assert again.code == 2
    assert "is there already: add --force" in again.err
    out.write_text("mine")
    out.chmod(0o600)
    assert on_stack(*args, "--out", str(out), "--force").code == 0
    assert out.read_bytes() == first
    assert out.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_a_place_that_takes_no_file(
    on_stack: Cli, cast: Cast, tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    for out, says in (
        (tmp_path / "nodir" / "x.html", "its directory is not there: make it, or write elsewhere"),
        (tmp_path / "file" / "x.html", "Not a directory: mend that, or write elsewhere"),
        (tmp_path, "it is a directory: name a file in it"),
    ):
        ran = on_stack("replay", "small-talk", "--tenant", cast.tenant, "--out", str(out), *more)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == f"headrace: {out} cannot be written: {says}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_read_leaves_no_file(on_stack: Cli, tmp_path: Path) -> None:
    out = tmp_path / "session.html"
    args = ("replay", "nowhere", "--format", "html", "--out", str(out))
    assert on_stack(*args).code == on_stack(*args, "--force").code == 2
    assert list(tmp_path.iterdir()) == []
    out.write_text("of another session")
    assert on_stack(*args, "--force").code == 2
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of another session"]


def test_a_device_and_the_end_of_a_link_are_written_to(
    on_stack: Cli, cast: Cast, tmp_path: Path
) -> None:
    args = ("replay", "small-talk", "--tenant", cast.tenant, "--force", "--out")
    assert on_stack(*args, "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    (tmp_path / "end").touch()
    (tmp_path / "link").symlink_to(tmp_path / "end")
    assert on_stack(*args, str(tmp_path / "link")).code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "end").stat().st_size > 0


def test_a_near_name_is_offered(on_stack: Cli, cast: Cast) -> None:
    ran = on_stack("replay", "refund-agred", "--tenant", cast.tenant)
    assert ran.code == 2
    assert "is it refund-agreed?" in ran.err


def test_a_session_of_which_only_the_ledger_knows_says_so(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    client = connect_writer(stack.writer)
    client.command(
        "INSERT INTO headrace.epochs_ledger (tenant, session, epoch, last_seq)"
        " VALUES ({tenant:String}, 's-old', 'e', 1)",
        parameters={"tenant": tenant},
    )
    client.close()
    ran = on_stack("replay", "s-old", "--tenant", tenant)
    assert ran.code == 2
    assert "though it was known: they expired or were forgotten" in ran.err


def test_what_excludes_each_other_is_said(on_stack: Cli) -> None:
    for args, said in (
        (("--follow", "--speed", "1x"), "leave --speed"),
        (("--follow", "--format", "html"), "html needs the whole session"),
        (("--json", "--format", "md"), "--json is --format json"),
        (("--diff", "b", "--format", "jsonl"), "--diff compares whole sessions"),
        (("--other-tenant", "t"), "--other-tenant is of --diff"),
    ):
        ran = on_stack("replay", "s", *args)
        assert ran.code == 2
        assert said in ran.err


@pytest.mark.parametrize("form", FORMS)
def test_a_session_of_which_nothing_is_told_is_none_the_less_there(
    form: str, on_stack: Cli, stack: Stack
) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 1, "turn_start", {})])
    args = ("replay", "s", "--tenant", tenant, "--format", form)
    ran = on_stack(*args)
    assert (ran.code, ran.err) == (0, "")
    assert (tenant in ran.out) == (form != "json")
    if form != "jsonl":
        assert on_stack(*args, "--diff", "s").code == 0


def test_the_trace_of_the_events_is_told(on_stack: Cli, stack: Stack) -> None:
    tenant, trace = unique(), "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"trace": f"00-{trace}-00f067aa0ba902b7-01"}
    begin = line(tenant, "s", 1, "turn_begin", {"user_message": "hi"}, turn=1, **parent)
    insert(stack, [begin, line(tenant, "s", 2, "turn_end", {"status": "ok"}, turn=1, **parent)])
    args = ("replay", "s", "--tenant", tenant)
    assert on_stack(*args).out.count(f"turn 1  trace {trace}\n") == 1
    for form in ("md", "html"):
        assert trace in on_stack(*args, "--format", form).out
