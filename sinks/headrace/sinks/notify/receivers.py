"""Receivers out of tables, as a TOML file's ``[[receiver]]`` gives them."""

from __future__ import annotations

import base64
import binascii
import importlib.util
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any, Final, cast

import httpx

from headrace.events.errors import SettingsError
from headrace.sinks.notify.addresses import Network
from headrace.sinks.notify.receiver import KINDS, Kind, Receiver
from headrace.sinks.notify.secret import NoSecretError, Secret, from_environment, from_file

_URL: Final = ("url", "url_env", "url_file")
_SECRET: Final = ("secret_env", "secret_file")
KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "webhook": ("name", "kind", *_URL, *_SECRET, "allow"),
    "alertmanager": ("name", "kind", *_URL, "allow"),
    "apprise": ("name", "kind", *_URL[1:], "allow"),
}
"""The keys of each kind."""

_SECRET_BYTES: Final = range(24, 65)
"""What Standard Webhooks asks of a symmetric secret."""
_MAKE_ONE: Final = "make one: echo whsec_$(head -c 32 /dev/urandom | base64)"


def read_receivers(
    tables: Sequence[Mapping[str, Any]], environ: Mapping[str, str]
) -> tuple[Receiver, ...]:
    """Return the receivers, secrets read from where the tables say. Blocks on the disk.

    Raises :class:`~headrace.events.errors.SettingsError`, which names the receiver and the key,
    says what to do, and holds nothing of a secret.
    """
    found: dict[str, Receiver] = {}
    for number, table in enumerate(tables, 1):
        name = table.get("name")
        if not isinstance(name, str) or not name:
            raise SettingsError(f'receiver {number}: it has no name; give it one: name = "ops"')
        if name in found:
            raise SettingsError(f"receiver {name!r}: name: two receivers have it; rename one")
        found[name] = _Table(name, table, environ).receiver()
    return tuple(found.values())


class _Table:
    """One table while it is read."""

    def __init__(self, name: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._name = name
        self._table = table
        self._environ = environ

    def receiver(self) -> Receiver:
        kind = self._kind()
        self._refuse_unknown(kind)
        urls = self._urls(kind)
        if kind == "apprise":
            if importlib.util.find_spec("apprise") is None:
                raise self._wrong(
                    "kind", "Apprise is not installed: pip install 'headrace[apprise]'"
                )
        else:
            self._check_url(urls)
        secrets = self._signing() if kind == "webhook" else ()
        return Receiver(self._name, kind, urls, secrets, self._allow())

    def _kind(self) -> Kind:
        kind = self._table.get("kind")
        if kind not in KINDS:
            raise self._wrong("kind", f"must be one of {', '.join(KINDS)}")
        return cast("Kind", kind)

    def _refuse_unknown(self, kind: Kind) -> None:
        for key in self._table:
            if key in KEYS[kind]:
                continue
            if key in {"secret", "url", "token", "password"}:
                where = "url" if key == "url" else "secret"
                raise self._wrong(
                    key,
                    f"is a secret, and this file is no place for one: use {where}_env (the "
                    f"name of a variable) or {where}_file (the path of a file)",
                )
            near = get_close_matches(key, KEYS[kind], 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise self._wrong(key, f"no such key; {kind} has {', '.join(KEYS[kind])}{meant}")

    def _urls(self, kind: Kind) -> tuple[Secret, ...]:
        key = self._one_of(_URL if kind != "apprise" else _URL[1:])
        if key != "url":
            return self._secrets(key)
        url = self._text(key)
        try:
            bare = not httpx.URL(url).userinfo
        except httpx.InvalidURL:
            bare = "@" not in url
        if not bare:
            raise self._wrong(key, "holds a password: use url_env or url_file for it")
        return (Secret(url),)

    def _check_url(self, urls: tuple[Secret, ...]) -> None:
        key = self._one_of(_URL)
        if len(urls) != 1:
            raise self._wrong(key, "must be one URL; make a receiver for each of them")
        try:
            url = httpx.URL(urls[0].reveal())
        except (httpx.InvalidURL, ValueError):
            raise self._wrong(key, "is not a URL") from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise self._wrong(key, "must begin with https:// or http:// and name a host")
        if url.port is not None and not 0 < url.port < 65_536:  # noqa: PLR2004 - TCP's
            raise self._wrong(key, "its port must be from 1 to 65535")

    def _signing(self) -> tuple[Secret, ...]:
        key = self._one_of(_SECRET)
        secrets = self._secrets(key)
        for number, secret in enumerate(secrets, 1):
            which = "" if len(secrets) == 1 else f"number {number} "
            try:
                held = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
            except (binascii.Error, ValueError):
                raise self._wrong(key, f"{which}is not base64; {_MAKE_ONE}") from None
            if len(held) not in _SECRET_BYTES:
                raise self._wrong(key, f"{which}must be of 24 to 64 bytes; {_MAKE_ONE}")
        return secrets

    def _secrets(self, key: str) -> tuple[Secret, ...]:
        value = self._table[key]
        places = value if isinstance(value, list) else [value]
        found: list[Secret] = []
        for place in places:
            if not isinstance(place, str) or not place:
                raise self._wrong(key, "must be a text, or a list of them")
            if key.endswith("_env") and place.startswith("HEADRACE_"):
                raise self._wrong(key, "HEADRACE_ variables are settings; name it otherwise")
            try:
                found += (
                    from_file(place)
                    if key.endswith("_file")
                    else from_environment(place, self._environ)
                )
            except NoSecretError as error:
                raise self._wrong(key, str(error)) from None
        if not found:
            raise self._wrong(key, "names nothing")
        return tuple(found)

    def _allow(self) -> tuple[Network, ...]:
        value = self._table.get("allow", [])
        if not isinstance(value, list):
            raise self._wrong("allow", 'must be a list: allow = ["10.0.0.0/8"]')
        networks: list[Network] = []
        for entry in value:
            try:
                if not isinstance(entry, str):
                    raise ValueError  # noqa: TRY004, TRY301 - one message for all
                networks.append(ip_network(entry))
            except ValueError:
                raise self._wrong(
                    "allow", f"{entry!r} is neither an address nor a network such as 10.0.0.0/8"
                ) from None
        return tuple(networks)

    def _one_of(self, keys: Sequence[str]) -> str:
        given = [key for key in keys if key in self._table]
        if len(given) != 1:
            what = "one is needed" if not given else f"{' and '.join(given)} cannot both be given"
            raise self._wrong(" or ".join(keys), what)
        return given[0]

    def _text(self, key: str) -> str:
        value = self._table[key]
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "must be a text")
        return value

    def _wrong(self, key: str, what: str) -> SettingsError:
        return SettingsError(f"receiver {self._name!r}: {key}: {what}")
