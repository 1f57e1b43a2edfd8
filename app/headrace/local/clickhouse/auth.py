"""Who asks: the three users, their passwords, and the checks that keep browsers out."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.events.errors import SettingsError
from headrace.local.clickhouse.errors import ClickHouseError

USERS: Final = ("reader", "audit_reader", "writer")
TENANTS: Final = "audit_reader_tenants"
"""In the credentials file: the tenants whose evidence ``audit_reader`` may read. Not there: all."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The passwords of the users, and whose evidence ``audit_reader`` may read."""

    passwords: Mapping[str, str] = field(repr=False)
    audit_tenants: tuple[str, ...] | None = None
    """None: everyone's."""

    def check(self, user: str, password: str) -> bool:
        """Compare in constant time, also for a user that does not exist."""
        known = self.passwords.get(user, "")
        same = hmac.compare_digest(known.encode(), password.encode("utf-8", "surrogateescape"))
        return same and bool(known)


def load_credentials(path: Path) -> Credentials:
    """Read the credentials, or draw and write them (0600) where the file is not there.

    Raises :class:`SettingsError` where the file cannot be used or others may read it.
    """
    try:
        text = path.read_text()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _create(path)
    except OSError as error:
        raise SettingsError(f"the credentials file cannot be read: {error}") from None
    if mode & 0o077:
        raise SettingsError(f"{path} may be read by others: chmod 600 it")
    try:
        found = json.loads(text)
        passwords = {user: found[user] for user in USERS}
        tenants = found.get(TENANTS)
    except (ValueError, KeyError, TypeError, AttributeError):
        form = ", ".join(f'"{user}": …' for user in USERS)
        raise SettingsError(f"{path} is not JSON of the form {{{form}}}") from None
    if not all(isinstance(word, str) and word for word in passwords.values()):
        raise SettingsError(f"{path} has an empty password")
    return Credentials(passwords, _tenants(tenants, path))


def _tenants(found: object, path: Path) -> tuple[str, ...] | None:
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise SettingsError(f"{TENANTS} in {path} is not a list of tenants")
    return tuple(found)


def _create(path: Path) -> Credentials:
    passwords = {user: secrets.token_urlsafe(24) for user in USERS}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(passwords, file)
    return Credentials(passwords)


def authenticate(
    credentials: Credentials, headers: Mapping[str, str], params: Mapping[str, str]
) -> str:
    """Return the user's name. Raises :class:`ClickHouseError` (401 or 403)."""
    user, password = _claimed(headers, params)
    if not user and not password:
        raise ClickHouseError(194, "Authentication is required", "REQUIRED_PASSWORD")
    if not credentials.check(user, password):
        raise ClickHouseError(
            516,
            f"{user[:64]}: Authentication failed: password is incorrect, or there is no user with"
            " such name.",
            "AUTHENTICATION_FAILED",
        )
    return user


def _claimed(headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", ""), headers.get("X-ClickHouse-Key", "")
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        user, _, password = text.partition(":")
        return user, password
    return params.get("user", ""), params.get("password", "")


def check_origin(headers: Mapping[str, str], port: int) -> None:
    """Refuse what a browser sends for a page: a foreign Host (DNS rebinding) or any Origin."""
    allowed = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if headers.get("Host", "").lower() not in allowed:
        raise ClickHouseError(
            497, "The Host header does not name this server", "ACCESS_DENIED", status=421
        )
    if "Origin" in headers:
        raise ClickHouseError(497, "Requests from web pages are refused", "ACCESS_DENIED")
