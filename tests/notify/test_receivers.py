"""Receivers are read from tables; what is wrong is said by receiver and key, secrets are not."""

from __future__ import annotations

import base64
import os
import pickle
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from headrace.events.errors import SettingsError
from headrace.sinks.notify.receiver import Receiver
from headrace.sinks.notify.receivers import read_receivers
from headrace.sinks.notify.secret import Secret

ONE = "whsec_" + base64.b64encode(b"1" * 32).decode()
TWO = base64.b64encode(b"2" * 24).decode()
ENVIRON = {
    "HOOK": "https://hooks.example/T0/B0/topsecret",
    "ONE": ONE,
    "BOTH": f"{ONE}\n{TWO}\n",
    "PLAIN": "hunter2hunter2!",
    "SHORT": base64.b64encode(b"short").decode(),
    "TYPO": ONE.replace("MTEx", "MT!Ex", 1),
    "EMPTY": " \n",
    "SLACK": "slack://topsecret-a/topsecret-b/topsecret-c",
    "TWO_URLS": "https://a.example https://b.example",
    "HEADRACE_X": "topsecret",
}
WEBHOOK = {"name": "ops", "kind": "webhook", "url": "https://x.example/", "secret_env": "ONE"}


def read(**table: Any) -> Receiver:
    return read_receivers([table], ENVIRON)[0]


def shown(secrets: tuple[Secret, ...]) -> list[str]:
    return [secret.reveal() for secret in secrets]


def test_a_webhook() -> None:
    found = read(**WEBHOOK, allow=["10.0.0.0/8", "127.0.0.1", "::1"])
    assert (found.name, found.kind) == ("ops", "webhook")
    assert shown(found.urls) == ["https://x.example/"]
    assert shown(found.secrets) == [ONE]
    assert found.allow == tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.1/32", "::1/128")))


def test_several_secrets_from_one_place_or_several(tmp_path: Path) -> None:
    base = {"name": "ops", "kind": "webhook", "url_env": "HOOK"}
    assert shown(read(**base, secret_env="BOTH").secrets) == [ONE, TWO]
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text(f"{TWO}\n")
    old.write_text(ONE)
    assert shown(read(**base, secret_file=[str(new), str(old)]).secrets) == [TWO, ONE]


def test_urls_that_are_secrets(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("http://user:topsecret@am.example/\n")
    found = read(name="am", kind="alertmanager", url_file=str(file))
    assert shown(found.urls) == ["http://user:topsecret@am.example/"]
    assert shown(read(name="chat", kind="apprise", url_env=["SLACK", "HOOK"]).urls) == [
        ENVIRON["SLACK"],
        ENVIRON["HOOK"],
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "webhook"}, "receiver 1: it has no name; give it one"),
    ({"name": "ops"}, "receiver 'ops': kind: must be one of webhook, alertmanager, apprise"),
    ({**WEBHOOK, "kind": "slack"}, "receiver 'ops': kind: must be one of"),
    ({**WEBHOOK, "secret": "topsecret"}, "receiver 'ops': secret: is a secret, and this file"),
    ({**WEBHOOK, "token": "topsecret"}, "receiver 'ops': token: is a secret, and this file"),
    ({**WEBHOOK, "alow": []}, "did you mean allow?"),
    ({**WEBHOOK, "url": "https://u:topsecret@x.example/"}, "url: holds a password: use url_env"),
    ({**WEBHOOK, "url": "https://u:topsecret@[x/"}, "url: holds a password: use url_env"),
    ({**WEBHOOK, "url": "ftp://x.example/"}, "url: must begin with https:// or http://"),
    ({**WEBHOOK, "url": "https:///topsecret"}, "url: must begin with https:// or http://"),
    ({**WEBHOOK, "url": "http://x.example:99999/topsecret"}, "url: its port must be from 1"),
    ({**WEBHOOK, "url": "http://0177.0.0.1/topsecret"}, "url: is not a URL"),
    ({**WEBHOOK, "url": "http://x.example:0/"}, "url: its port must be from 1 to 65535"),
    ({**WEBHOOK, "url": 5}, "receiver 'ops': url: must be a text"),
    ({**WEBHOOK, "url_env": "HOOK"}, "url and url_env cannot both be given"),
    ({"name": "ops", "kind": "webhook", "secret_env": "ONE"}, "url or url_env or url_file: one is"),
    ({"name": "a", "kind": "alertmanager", "url_env": "TWO_URLS"}, "url_env: must be one URL"),
    ({**WEBHOOK, "kind": "alertmanager"}, "receiver 'ops': secret_env: no such key; alertmanager"),
    (
        {"name": "ops", "kind": "webhook", "url": "https://x.example/"},
        "receiver 'ops': secret_env or secret_file: one is needed",
    ),
    ({**WEBHOOK, "secret_env": "NONE"}, "secret_env: the variable NONE is not set"),
    ({**WEBHOOK, "secret_env": "EMPTY"}, "secret_env: the variable EMPTY is empty"),
    ({**WEBHOOK, "secret_env": "PLAIN"}, "secret_env: is not base64; make one: echo whsec_"),
    ({**WEBHOOK, "secret_env": "TYPO"}, "secret_env: is not base64; make one: echo whsec_"),
    ({**WEBHOOK, "secret_env": "SHORT"}, "secret_env: must be of 24 to 64 bytes; make one"),
    ({**WEBHOOK, "secret_env": ["ONE", "PLAIN"]}, "secret_env: number 2 is not base64"),
    ({**WEBHOOK, "secret_env": []}, "secret_env: names nothing"),
    ({**WEBHOOK, "secret_env": 5}, "secret_env: must be a text, or a list of them"),
    (
        {**WEBHOOK, "secret_env": "HEADRACE_X"},
        "HEADRACE_ variables are settings; name it otherwise",
    ),
    ({**WEBHOOK, "allow": "10.0.0.0/8"}, "allow: must be a list"),
    ({**WEBHOOK, "allow": ["localhost"]}, "allow: 'localhost' is neither an address nor a network"),
    ({**WEBHOOK, "allow": ["10.0.0.1/8"]}, "allow: '10.0.0.1/8' is neither an address nor"),
    ({**WEBHOOK, "allow": [167772160]}, "allow: 167772160 is neither an address nor"),
    ({"name": "c", "kind": "apprise", "url": ENVIRON["SLACK"]}, "receiver 'c': url: is a secret"),
    ({"name": "c", "kind": "apprise"}, "receiver 'c': url_env or url_file: one is needed"),
]


@pytest.mark.parametrize(("table", "said"), WRONG)
def test_what_is_wrong_is_said_and_no_secret_with_it(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_receivers([table], ENVIRON)
    assert said in str(error.value)
    chain: BaseException | None = error.value
    while chain is not None:
        assert "topsecret" not in f"{chain!r} {chain}"
        assert "hunter2" not in f"{chain!r} {chain}"
        chain = None if chain.__suppress_context__ else chain.__context__


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * 65_537, "is larger than 65536 bytes"),
    ],
)
def test_files_without_a_secret(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "held"
    if content is not None:
        file.write_bytes(content)
    table = {**WEBHOOK, "secret_file": str(file)}
    del table["secret_env"]
    with pytest.raises(SettingsError, match=f"receiver 'ops': secret_file: .*{said}"):
        read_receivers([table], ENVIRON)


def test_two_of_one_name() -> None:
    with pytest.raises(SettingsError, match="receiver 'ops': name: two receivers have it"):
        read_receivers([WEBHOOK, WEBHOOK], ENVIRON)


def test_apprise_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'headrace\[apprise\]'"):
        read(name="chat", kind="apprise", url_env="SLACK")


def test_secrets_are_not_shown() -> None:
    found = read(**{**WEBHOOK, "secret_env": "BOTH"})
    shown_so = f"{found!r} {found} {found.secrets[0]:} {[*found.secrets]} {found.urls[0]!s}"
    for secret in (ONE, TWO, ONE.removeprefix("whsec_"), "x.example"):
        assert secret not in shown_so
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(found.secrets[0])


def test_the_environment_is_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELSEWHERE", ONE)
    assert "ELSEWHERE" in os.environ
    with pytest.raises(SettingsError, match="the variable ELSEWHERE is not set"):
        read(**{**WEBHOOK, "secret_env": "ELSEWHERE"})
