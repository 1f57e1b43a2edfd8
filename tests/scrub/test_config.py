"""The file of a scrubber: every mistake has a line, and every word of it changes something."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.events.errors import SettingsError
from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.local.stack import variables_of
from headrace.streams import scrub
from headrace.streams.scrub.config import load, loads
from headrace.streams.scrub.detectors import SECRETS
from tests.scrub.support import event, scrubbed

SHIPPED = Path(__file__).parents[2] / "deploy/scrub/scrub.toml"
PSEUDONYM = '[[rule]]\ndetect = ["email"]\naction = "pseudonym"\n'


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SettingsError) as error:
        loads(text, "file.toml", {})
    found = [line.split(":", 2) for line in str(error.value).splitlines()]
    assert {source for source, _, _ in found} == {"file.toml"}
    return [(int(line), text.strip()) for _, line, text in found]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "there is no [[rule]]"),
        ("[[rule]]\n", 1, "one of `detect`, `pattern` and `paths`"),
        ('[[rule]]\ndetect = ["email"]\npaths = ["data.a"]', 1, "one of `detect`"),
        ('[[rule]]\ndetect = ["emial"]', 2, "did you mean email?"),
        ('[[rule]]\ndetect = ["zzz"]', 2, "there is secrets, private-key"),
        ("[[rule]]\ndetect = []", 2, "must name something"),
        ('[[rule]]\nname = "x"\ndetect = ["email"]', 2, "the detector's own"),
        ('[[rule]]\npaths = ["data.a"]', 1, "`name` must be"),
        ('[[rule]]\nname = "No"\npaths = ["data.a"]', 2, "`name` must be"),
        ('[[rule]]\nname = "x"\npaths = []', 3, "at least one"),
        ('[[rule]]\nname = "x"\npaths = [\n  "data.a",\n  "data..b",\n]', 5, "is no path such as"),
        ('[[rule]]\nname = "x"\npaths = ["tenant"]', 3, "tenant is never rewritten"),
        ('[[rule]]\nname = "x"\npaths = ["data"]', 3, "leads to all of data"),
        ('[[rule]]\nname = "x"\npaths = ["data.**"]', 3, "leads to all of data"),
        ('[[rule]]\nname = "x"\npaths = ["**.a"]', 3, "must begin with a name"),
        ("[[rule]]\nname = \"x\"\npattern = '('", 3, "no pattern of RE2"),
        ("[[rule]]\nname = \"x\"\npattern = 'a*'", 3, "must not match nothing at all"),
        ("[[rule]]\nname = \"x\"\npattern = '(?=a)'", 3, "no pattern of RE2"),
        ("[[rule]]\nname = \"x\"\npattern = 'a'\nhints = ['\"a']", 4, "two characters or more"),
        ('[[rule]]\nname = "x"\npaths = ["data.a"]\nhints = ["ab"]', 4, "with `pattern` only"),
        ('[[rule]]\ndetect = ["email"]\naction = "hash"', 3, "one of redact, mask, pseudonym"),
        ('[[rule]]\ndetect = ["email"]\ntenants = []', 3, "must not be empty"),
        ('[[rule]]\ndetect = ["email"]\nallows = ["a"]', 3, "did you mean `allow`?"),
        (PSEUDONYM, 1, "pseudonyms need a key"),
        ('key_variable = "NOT_SET"\n' + PSEUDONYM, 1, "NOT_SET is not set"),
        ('key_file = "not-there"\n' + PSEUDONYM, 1, "No such file"),
        ('key_file = "a"\nkey_variable = "b"\n' + PSEUDONYM, 1, "exclude each other"),
    ],
)
def test_a_mistake_has_its_line(text: str, line: int, said: str) -> None:
    found = problems(text)
    assert [one for one in found if one[0] == line and said in one[1]], found


def test_all_mistakes_are_told_at_once() -> None:
    text = '[[rule]]\ndetect = ["x"]\n[[rule]]\nname = "y"\npattern = "("\nzzz = 1'
    assert [line for line, _ in problems(text)] == [2, 5, 6]


def test_a_short_key_is_none_and_is_not_quoted() -> None:
    with pytest.raises(SettingsError, match="32 bytes or more") as error:
        loads('key_variable = "K"\n' + PSEUDONYM, environ={"K": "too-short-a-key"})
    assert "too-short" not in str(error.value)


def test_a_keys_file_is_beside_the_rules(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 40 + "\n")
    (tmp_path / "scrub.toml").write_text('key_file = "key"\n' + PSEUDONYM)
    by_file = load(tmp_path / "scrub.toml")
    by_variable = loads('key_variable = "K"\n' + PSEUDONYM, environ={"K": "k" * 40})
    value = event({"m": "ann@corp.org"})
    assert scrubbed(by_file, value) == scrubbed(by_variable, value)
    assert "kkkk" not in repr(by_file)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read") as error:
        load(tmp_path / "nowhere.toml")
    assert "\n" not in str(error.value)


def test_the_shipped_example_is_right_and_so_is_what_it_leaves_out() -> None:
    text = SHIPPED.read_text()
    names = [rule.name for rule in loads(text, environ={}).rules]
    assert names[: len(SECRETS)] == [one.name for one in SECRETS]
    assert {"named-secret", "card", "iban", "email", "phone"} < set(names)
    assert "ip" not in names
    out = "\n".join(
        line[2:] if line.startswith(("# [[", "# detect", "# name", "# paths", "# action")) else line
        for line in text.splitlines()
    )
    more = out.replace("# tenants", "tenants").replace("# pattern", "pattern")
    more = more.replace("# hints", "hints")
    everything = loads('key_variable = "K"\n' + more, environ={"K": "k" * 32})
    assert {"ip", "customer"} < {rule.name for rule in everything.rules}


def test_without_the_extra_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(SettingsError, match=r"headrace\[scrub\]"):
        scrub.need_extra()


def test_nothing_is_scrubbed_by_default() -> None:
    assert Settings(state_dir=Path()).scrub is None


def test_the_local_stacks_workers_scrub_by_the_same_file() -> None:
    chosen = Settings(
        state_dir=Path(),
        kafka=KafkaSettings("h:1"),
        clickhouse=ClickHouseSettings("http://h/d"),
        scrub=Path("scrub.toml"),
    )
    assert variables_of(chosen, "archive")["HEADRACE_SCRUB"] == str(Path("scrub.toml").absolute())
    assert "HEADRACE_SCRUB" not in variables_of(replace(chosen, scrub=None), "archive")
