"""docker-compose.yml, as far as it can be checked without an engine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from headrace.cli.group import cli
from headrace.events.settings import VARIABLES, load
from headrace.streams.processors import FACTORIES

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[2]
SECRET = "s3cretpassword"
EVIDENCE = ("keys", "audit", "seal")
"""The services that encrypt and seal."""
AWS = {
    "AWS_ACCESS_KEY_ID": "its-name",
    "AWS_SECRET_ACCESS_KEY": "its-secret",
    "AWS_SESSION_TOKEN": "its-token",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://kms.example.org",
}


def _compose(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    assert program, "apt-get install docker-compose (no engine is needed)"
    file = str(ROOT / "docker-compose.yml")
    return subprocess.run(
        [program, "--project-directory", str(ROOT), "-f", file, *arguments],
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return _services()


def _services(**environ: str) -> dict[str, Any]:
    done = _compose("config", CLICKHOUSE_PASSWORD=SECRET, COMPOSE_PROFILES="otlp", **environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def _environment(service: dict[str, Any]) -> dict[str, str]:
    """Return what a container gets: one that is null is not there."""
    given = service.get("environment", {}).items()
    return {name: str(value) for name, value in given if value is not None}


def test_config_passes_and_names_every_service(services: dict[str, Any]) -> None:
    assert set(services) == {
        "kafka",
        "clickhouse",
        "topics",
        "schema",
        "retention",
        "keys",
        "prometheus",
        *FACTORIES,
    }


def test_prometheus_scrapes_every_worker() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    assert set(job["dns_sd_configs"][0]["names"]) == set(FACTORIES)


def test_no_password_is_in_the_files() -> None:
    done = _compose("config")
    assert done.returncode != 0
    assert "CLICKHOUSE_PASSWORD" in done.stderr
    assert "CLICKHOUSE_PASSWORD=\n" in (ROOT / "deploy" / ".env.example").read_text()


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag[:1].isdigit() or tag[:1] == "v", f"{name}: {service['image']}"


def test_every_port_is_bound_to_loopback(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    # The first docker-compose prints a port as text, the second as its parts.
    hosts = {p["host_ip"] if isinstance(p, dict) else p.partition(":")[0] for p in ports}
    assert hosts == {"127.0.0.1"}


def test_everything_is_bounded_and_what_stays_is_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        if service["restart"] != "on-failure":
            assert service["healthcheck"], name
    for name in ("kafka", "clickhouse", "prometheus", "keys", "seal"):
        assert services[name]["volumes"], name


def test_who_waits_for_a_server_waits_for_where_others_reach_it(services: dict[str, Any]) -> None:
    """A server of the image's own set-up listens on its loopback, and ends again."""
    waited_for = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert waited_for == {"kafka", "clickhouse"}
    for name in waited_for:
        check = " ".join(services[name]["healthcheck"]["test"])
        assert f"{name}:" in check, check
        assert "127.0.0.1" not in check


def test_its_settings_are_headraces_own(services: dict[str, Any]) -> None:
    for name in ("topics", "schema", "retention", "keys", *FACTORIES):
        environ = _environment(services[name])
        assert set(environ) <= set(VARIABLES)
        settings = load(environ, state_dir=Path("/nonexistent"))
        assert settings.need_kafka().bootstrap_servers == "kafka:9092"
        assert SECRET in settings.need_clickhouse().url


def test_who_encrypts_and_seals_gets_the_kms_and_nobody_else() -> None:
    place = "s3://keys/prefix"
    keys = {"HEADRACE_AUDIT_KMS_KEY": "alias/new,alias/old", "HEADRACE_AUDIT_KEYS": place}
    for name, service in _services(**keys, **AWS).items():
        environ = _environment(service)
        given = {key: environ.get(key) for key in (*keys, *AWS)}
        assert given == (keys | AWS if name in EVIDENCE else dict.fromkeys(given)), name
        if name in EVIDENCE:
            audit = load(environ, state_dir=Path("/nonexistent")).audit
            assert (audit.kms_key, audit.keys) == ("alias/new,alias/old", place)


def test_what_is_not_set_of_aws_is_not_passed(services: dict[str, Any]) -> None:
    """An empty region is one to boto3, which then calls https://kms..amazonaws.com."""
    for name in EVIDENCE:
        assert set(AWS) <= set(services[name]["environment"])
        assert not set(AWS) & set(_environment(services[name]))


def test_its_commands_are_headraces_own(services: dict[str, Any]) -> None:
    for name in ("topics", "schema", "keys", *FACTORIES):
        program, *arguments = services[name]["command"]
        assert program == "headrace"
        flags = [word for word in arguments if word.startswith("--")]
        words = [word for word in arguments if word.isalpha()]
        usage = CliRunner().invoke(
            cli, [*(["worker"] if words[0] == "worker" else words), "--help"]
        )
        assert usage.exit_code == 0, usage.output
        assert all(flag in usage.output for flag in flags), usage.output
