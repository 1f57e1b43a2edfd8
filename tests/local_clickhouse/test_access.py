"""Passwords, the Host and Origin headers, and the credentials file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from headrace.events.errors import SettingsError
from headrace.local.clickhouse.auth import USERS, load_credentials
from tests.stack.clickhouse import LocalClickHouse, start_clickhouse


def ask(server: LocalClickHouse, **options: object) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(
            f"http://127.0.0.1:{server.port}/",
            **{"params": {"query": "SELECT 1"}, **options},  # type: ignore[arg-type]
        )


def test_each_way_to_say_who_one_is(clickhouse_server: LocalClickHouse) -> None:
    for user in USERS:
        password = getattr(clickhouse_server, f"{user}_password")
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        params = {"query": "SELECT 1", "user": user, "password": password}
        assert ask(clickhouse_server, auth=(user, password)).text == "1\n"
        assert ask(clickhouse_server, headers=headers).text == "1\n"
        assert ask(clickhouse_server, params=params).text == "1\n"


def test_nobody_without_the_password(clickhouse_server: LocalClickHouse) -> None:
    nobody = ask(clickhouse_server)
    assert (nobody.status_code, nobody.headers["X-ClickHouse-Exception-Code"]) == (401, "194")
    assert nobody.headers["WWW-Authenticate"].startswith("Basic")
    reader = clickhouse_server.reader_password
    for user, password in [
        ("reader", "wrong"),
        ("reader", ""),
        ("writer", reader),
        ("default", ""),
        ("", reader),
        ("nobody", ""),
        ("reader", reader + "x"),
        ("reader", "é"),
    ]:
        answer = ask(clickhouse_server, auth=(user, password))
        assert answer.status_code in (401, 403), (user, password)
        assert answer.text.startswith("Code: ")
    assert ask(clickhouse_server, headers={"Authorization": "Basic !"}).status_code == 401
    assert ask(clickhouse_server, headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
def test_the_hosts_that_are_this_machine(clickhouse_server: LocalClickHouse, name: str) -> None:
    auth = ("reader", clickhouse_server.reader_password)
    headers = {"Host": f"{name}:{clickhouse_server.port}"}
    assert ask(clickhouse_server, auth=auth, headers=headers).text == "1\n"


@pytest.mark.parametrize(
    "name",
    [
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "",
        "0.0.0.0:{port}",
    ],
)
def test_a_foreign_host_is_refused(clickhouse_server: LocalClickHouse, name: str) -> None:
    auth = ("reader", clickhouse_server.reader_password)
    headers = {"Host": name.replace("{port}", str(clickhouse_server.port))}
    assert ask(clickhouse_server, auth=auth, headers=headers).status_code == 421
    with httpx.Client(trust_env=False) as client:
        ping = client.get(f"http://127.0.0.1:{clickhouse_server.port}/ping", headers=headers)
    assert ping.status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:{port}"])
def test_a_page_is_refused_whatever_its_origin(
    clickhouse_server: LocalClickHouse, origin: str
) -> None:
    auth = ("reader", clickhouse_server.reader_password)
    headers = {"Origin": origin.replace("{port}", str(clickhouse_server.port))}
    answer = ask(clickhouse_server, auth=auth, headers=headers)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_it_listens_on_loopback_alone(clickhouse_server: LocalClickHouse, tmp_path: Path) -> None:
    listening = {
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line
    }
    assert f"0100007F:{clickhouse_server.port:04X}" in listening
    with pytest.raises(RuntimeError, match="invalid choice"):
        start_clickhouse(tmp_path, "--host", "0.0.0.0")


def test_the_credentials_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "credentials.json"
    made = load_credentials(file)
    assert file.stat().st_mode & 0o777 == 0o600
    found = json.loads(file.read_text())
    assert set(found) == set(USERS)
    assert len(set(found.values())) == len(USERS)
    assert min(map(len, found.values())) >= 32
    assert made.check("reader", found["reader"])
    assert load_credentials(file).check("writer", found["writer"])
    assert found["writer"] not in repr(made)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"reader": "x"}', '{"reader": "x", "writer": "y"}'),
        '{"reader": "x", "audit_reader": "z", "writer": ""}',
        '{"reader": "x", "audit_reader": "z", "writer": "y", "audit_reader_tenants": "acme"}',
        '{"reader": "x", "audit_reader": "z", "writer": "y", "audit_reader_tenants": [1]}',
    ],
)
def test_a_credentials_file_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(SettingsError):
        load_credentials(file)


def test_a_credentials_file_that_others_may_read(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"reader": "x", "audit_reader": "z", "writer": "y"}')
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_credentials(file)


def test_the_process_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text("{")
    file.chmod(0o600)
    command = [sys.executable, "-m", "headrace.local.clickhouse", "--data-dir", str(tmp_path / "d")]
    done = subprocess.run(
        [*command, "--credentials-file", str(file)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
