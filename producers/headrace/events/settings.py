"""The settings, read from the environment in one place a process, never at import.

What ``headrace up`` started is found through its ``stack.json``; variables win over it. See
``docs/settings.md`` for the table of all variables, which is generated from :data:`VARIABLES`.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import orjson

from headrace.events.errors import SettingsError

VARIABLES: Final[dict[str, str]] = {
    "HEADRACE_STATE_DIR": "Where the local stack keeps its state and writes stack.json",
    "HEADRACE_KAFKA": "Bootstrap servers, host:port[,host:port]",
    "HEADRACE_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT (default), SSL, SASL_PLAINTEXT or SASL_SSL",
    "HEADRACE_KAFKA_SASL_MECHANISM": "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    "HEADRACE_KAFKA_SASL_USERNAME": "SASL user name",
    "HEADRACE_KAFKA_SASL_PASSWORD": "SASL password",
    "HEADRACE_KAFKA_SASL_PASSWORD_FILE": "File that holds the SASL password",
    "HEADRACE_KAFKA_SSL_CAFILE": "PEM file of the authority that signed the brokers' certificates",
    "HEADRACE_KAFKA_SSL_CERTFILE": "PEM file of the client's certificate",
    "HEADRACE_KAFKA_SSL_KEYFILE": "PEM file of the client's private key",
    "HEADRACE_KAFKA_SSL_KEY_PASSWORD_FILE": "File that holds the private key's password",
    "HEADRACE_TOPIC_PREFIX": "Put before every topic's name and consumer group",
    "HEADRACE_PARTITIONS": "Partitions of the topics keyed by session (default 4)",
    "HEADRACE_REPLICATION": "Replication factor (default: as many as there are brokers, up to 3)",
    "HEADRACE_RETENTION_DAYS": "Days that agent.events keeps an event (default 7)",
    "HEADRACE_MAX_EVENT_BYTES": "Largest event; a larger one is cut (default 900000)",
    "HEADRACE_CLICKHOUSE_URL": "http[s]://user:password@host:port/database",
    "HEADRACE_CLICKHOUSE_PASSWORD_FILE": "File that holds the password, in place of the URL's",
    "HEADRACE_CLICKHOUSE_CLUSTER": "Cluster name: DDL runs ON CLUSTER, tables are replicated",
    "HEADRACE_ALERT_RULES": "TOML file of alert rules and receivers (default: the five shipped)",
    "HEADRACE_PRICES": "TOML file of model prices (default: the shipped table)",
    "HEADRACE_EXTERNAL_URL": "Address of this headrace for people, which notifications link to",
    "HEADRACE_AUDIT_POLICY": "TOML file: what is evidence, how long it is kept (default: shipped)",
    "HEADRACE_AUDIT_TOPIC_PER_CLASS": "1: sealed evidence also goes to a topic of its class",
    "HEADRACE_AUDIT_VAULT": "Directory or s3://bucket/prefix of the sealed evidence",
    "HEADRACE_AUDIT_KEYS": "Directory or s3://bucket/prefix of the wrapped data keys",
    "HEADRACE_AUDIT_SIGNING_KEYS": "Directory of the keys that sign checkpoints",
    "HEADRACE_AUDIT_MASTER_KEY": "Base64 of the 32 bytes that wrap data keys; former ones behind",
    "HEADRACE_AUDIT_MASTER_KEY_FILE": "File that holds them, a line each, in place of the variable",
    "HEADRACE_AUDIT_KMS_KEY": "AWS KMS key that wraps the data keys; former ones by commas",
    "HEADRACE_AUDIT_WITNESSES": "Directories and http[s] URLs that get checkpoints, by commas",
    "HEADRACE_AUDIT_CLICKHOUSE_URL": "http[s]://audit_reader:password@host:port/database",
    "HEADRACE_RETENTION": "TOML file of how long ClickHouse keeps rows (default: 7 days of events)",
    "HEADRACE_SCRUB": "TOML file of what is scrubbed before the archive (default: nothing)",
    "HEADRACE_TRACE_CONTENT": "1: messages, arguments and results stand in spans (default 0: none)",
    "HEADRACE_OTLP_ENDPOINT": "http[s]://host:port of an OTLP receiver, which gets the spans",
    "HEADRACE_OTLP_PROTOCOL": "http/protobuf (default; /v1/traces is appended) or grpc",
    "HEADRACE_OTLP_HEADERS": "Headers of each request, as name=value,name=value, in percent",
    "HEADRACE_OTLP_HEADERS_FILE": "File that holds them, in place of the variable",
    "HEADRACE_OTLP_CERTIFICATE": "PEM file of the receiver's authority (default: the system's)",
    "HEADRACE_TENANT": "Tenant of a producer made by EventProducer.from_env()",
    "HEADRACE_SPOOL_DIR": "Where from_env() producers spool and commands look (default: state dir)",
    "HEADRACE_DURABILITY": "spool (default) or memory",
}
"""Every variable that is read, with its meaning. An unknown ``HEADRACE_`` variable is an error."""


_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("0", "false", "no", "off")
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_BY_PASSWORD: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_OTLP_PROTOCOLS: Final = ("http/protobuf", "grpc")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*").fullmatch
_MECHANISMS: Final = (*_BY_PASSWORD, "OAUTHBEARER", "GSSAPI")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach Kafka. ``ssl_context``, where given, wins over the files.

    Raises :class:`SettingsError` for what no client could work with: a shipper that ended of it
    could tell nobody.
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    sasl_oauth_token_provider: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.bootstrap_servers:
            raise SettingsError("no Kafka: give its bootstrap servers as host:port[,host:port]")
        _one_of("Kafka's security protocol", self.security_protocol, _PROTOCOLS)
        if not self.security_protocol.startswith("SASL"):
            return
        _one_of("Kafka's SASL mechanism", self.sasl_mechanism, _MECHANISMS)
        if self.sasl_mechanism in _BY_PASSWORD and not (self.sasl_username and self.sasl_password):
            raise SettingsError(f"Kafka's SASL {self.sasl_mechanism} needs a user and a password")

    def client_kwargs(self) -> dict[str, Any]:
        """Keyword arguments for any aiokafka client. Reads the certificate files."""
        kwargs: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            kwargs["sasl_mechanism"] = self.sasl_mechanism
            kwargs["sasl_plain_username"] = self.sasl_username
            kwargs["sasl_plain_password"] = self.sasl_password
            kwargs["sasl_oauth_token_provider"] = self.sasl_oauth_token_provider
        if self.security_protocol.endswith("SSL"):
            kwargs["ssl_context"] = self.ssl_context or self._context_from_files()
        return kwargs

    def _context_from_files(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile:
                context.load_cert_chain(
                    self.ssl_certfile, self.ssl_keyfile, password=self.ssl_key_password
                )
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"the Kafka TLS files cannot be used: {error}") from None
        return context


@dataclass(frozen=True, slots=True)
class ClickHouseSettings:
    """How to reach ClickHouse."""

    url: str = field(repr=False)
    """``http[s]://user:password@host:port/database``"""
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """How to reach the OTLP receiver that gets the spans."""

    endpoint: str
    """``http[s]://host:port``, by HTTP with a path before ``/v1/traces`` where there is one."""
    protocol: str = "http/protobuf"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Where evidence is kept, and by which keys. What is None is in the state directory."""

    policy: Path | None = None
    """None: the policy that is shipped."""
    topic_per_class: bool = False
    """Whether what is sealed is written to ``agent.audit.<class>`` as well."""
    vault: str | None = None
    """A directory or ``s3://bucket/prefix``."""
    keys: str | None = None
    """The same, for wrapped data keys: never under the vault, which nobody can delete from."""
    signing_keys: Path | None = None
    master_key: str | None = field(default=None, repr=False)
    """Base64 of 32 bytes; former keys behind it, by blanks."""
    master_key_file: Path | None = None
    """The same, a key a line; read by who needs it alone."""
    kms_key: str | None = None
    witnesses: tuple[str, ...] = ()
    clickhouse_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a headrace process needs to know of the world."""

    state_dir: Path
    kafka: KafkaSettings | None = None
    clickhouse: ClickHouseSettings | None = None
    topic_prefix: str = ""
    partitions: int = 4
    replication: int | None = None
    retention_days: int = 7
    max_event_bytes: int = 900_000
    tenant: str | None = None
    spool_dir: Path | None = None
    durability: str = "spool"
    alert_rules: Path | None = None
    """None: the rules that are shipped, which tell nobody."""
    prices: Path | None = None
    """None: the table that is shipped."""
    external_url: str = ""
    audit: AuditSettings = field(default_factory=AuditSettings)
    scrub: Path | None = None
    """None: nothing is scrubbed."""
    retention: Path | None = None
    """How long the archive keeps rows. None: as shipped."""
    trace_content: bool = False
    """Whether messages, arguments and results stand in spans."""
    otlp: OtlpSettings | None = None
    """None: spans are not exported."""
    metrics_url: str | None = None
    """Of a local stack: where Prometheus can scrape it."""
    console_url: str | None = None
    """Of a local stack: its status page."""

    @property
    def spool(self) -> Path:
        """Where producers of these settings spool: also those that are told of no place."""
        return self.spool_dir or self.state_dir / "spool"

    def topic(self, name: str) -> str:
        """Return the full name of one of :mod:`headrace.events.topics`'s topics."""
        return self.topic_prefix + name

    def need_kafka(self) -> KafkaSettings:
        if self.kafka is None:
            raise SettingsError(f"no Kafka: {self._what_to_do('HEADRACE_KAFKA')}")
        return self.kafka

    def need_clickhouse(self) -> ClickHouseSettings:
        if self.clickhouse is None:
            raise SettingsError(f"no ClickHouse: {self._what_to_do('HEADRACE_CLICKHOUSE_URL')}")
        return self.clickhouse

    def need_otlp(self) -> OtlpSettings:
        if self.otlp is None:
            raise SettingsError("no OTLP receiver: set HEADRACE_OTLP_ENDPOINT to its address")
        return self.otlp

    def _what_to_do(self, variable: str) -> str:
        stack = self.state_dir / "stack.json"
        return f"set {variable}, or start a local stack with `headrace up` ({stack} is not there)"


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """``HEADRACE_STATE_DIR``, else ``headrace`` in the user's state directory (XDG)."""
    if environ.get("HEADRACE_STATE_DIR"):
        return Path(environ["HEADRACE_STATE_DIR"])
    base = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "headrace"


def load(environ: Mapping[str, str] | None = None, *, state_dir: Path | None = None) -> Settings:
    """Read the settings: the environment first, then the local stack's ``stack.json``.

    Raises :class:`SettingsError` that names the variable or the file.
    """
    environ = os.environ if environ is None else environ
    unknown = sorted(k for k in environ if k.startswith("HEADRACE_") and k not in VARIABLES)
    if unknown:
        raise SettingsError(f"unknown setting {unknown[0]}: see docs/settings.md for all of them")
    state_dir = state_dir or default_state_dir(environ)
    stack = _read_stack(state_dir / "stack.json")
    servers = environ.get("HEADRACE_KAFKA") or stack.get("kafka")
    url = environ.get("HEADRACE_CLICKHOUSE_URL") or stack.get("clickhouse")
    scrub, retention = stack.get("scrub"), stack.get("retention")
    return Settings(
        state_dir=state_dir,
        kafka=_kafka(environ, servers) if servers else None,
        clickhouse=_clickhouse(environ, url) if url else None,
        topic_prefix=environ.get("HEADRACE_TOPIC_PREFIX", ""),
        partitions=_integer(environ, "HEADRACE_PARTITIONS", 4),
        replication=_integer(environ, "HEADRACE_REPLICATION", 0) or None,
        retention_days=_integer(environ, "HEADRACE_RETENTION_DAYS", 7),
        max_event_bytes=_integer(environ, "HEADRACE_MAX_EVENT_BYTES", 900_000),
        tenant=environ.get("HEADRACE_TENANT"),
        spool_dir=_path(environ, "HEADRACE_SPOOL_DIR"),
        durability=environ.get("HEADRACE_DURABILITY", "spool"),
        alert_rules=_path(environ, "HEADRACE_ALERT_RULES"),
        prices=_path(environ, "HEADRACE_PRICES"),
        external_url=environ.get("HEADRACE_EXTERNAL_URL", ""),
        audit=_audit(environ),
        scrub=_path(environ, "HEADRACE_SCRUB") or (Path(scrub) if scrub else None),
        retention=_path(environ, "HEADRACE_RETENTION") or (Path(retention) if retention else None),
        trace_content=_boolean(environ, "HEADRACE_TRACE_CONTENT"),
        otlp=_otlp(environ),
        metrics_url=stack.get("metrics"),
        console_url=stack.get("console"),
    )


def _kafka(environ: Mapping[str, str], servers: str) -> KafkaSettings:
    prefix = "HEADRACE_KAFKA_"
    return KafkaSettings(
        bootstrap_servers=servers,
        security_protocol=environ.get(prefix + "SECURITY_PROTOCOL", "PLAINTEXT").upper(),
        sasl_mechanism=environ.get(prefix + "SASL_MECHANISM", "PLAIN").upper(),
        sasl_username=environ.get(prefix + "SASL_USERNAME"),
        sasl_password=_secret(environ, prefix + "SASL_PASSWORD"),
        ssl_cafile=environ.get(prefix + "SSL_CAFILE"),
        ssl_certfile=environ.get(prefix + "SSL_CERTFILE"),
        ssl_keyfile=environ.get(prefix + "SSL_KEYFILE"),
        ssl_key_password=_secret(environ, prefix + "SSL_KEY_PASSWORD"),
    )


def _one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise SettingsError(f"{what} must be one of {', '.join(known)}, not {given!r}")


def _clickhouse(environ: Mapping[str, str], url: str) -> ClickHouseSettings:
    if not url.startswith(("http://", "https://")):
        raise SettingsError("HEADRACE_CLICKHOUSE_URL must start with http:// or https://")
    password = _secret(environ, "HEADRACE_CLICKHOUSE_PASSWORD")
    if password is not None:
        scheme, _, rest = url.partition("://")
        credential, at, host = rest.rpartition("@")
        user = credential.partition(":")[0] if at else "default"
        url = f"{scheme}://{user}:{quote(password, safe='')}@{host}"
    if not _can_be_read(url):
        raise SettingsError(
            "HEADRACE_CLICKHOUSE_URL cannot be read: write what is special in its password in "
            "percent (%2F for /), or give it by HEADRACE_CLICKHOUSE_PASSWORD_FILE"
        )
    return ClickHouseSettings(url=url, cluster=environ.get("HEADRACE_CLICKHOUSE_CLUSTER"))


def _otlp(environ: Mapping[str, str]) -> OtlpSettings | None:
    endpoint = environ.get("HEADRACE_OTLP_ENDPOINT", "").strip()
    if not endpoint:
        return None
    if not endpoint.startswith(("http://", "https://")) or not _can_be_read(endpoint):
        raise SettingsError("HEADRACE_OTLP_ENDPOINT must be http[s]://host:port")
    split = urlsplit(endpoint)
    if not split.hostname:
        raise SettingsError("HEADRACE_OTLP_ENDPOINT has no host: it is http[s]://host:port")
    if "@" in endpoint or split.query or split.fragment:
        raise SettingsError(
            "HEADRACE_OTLP_ENDPOINT is an address alone: give credentials by HEADRACE_OTLP_HEADERS"
        )
    protocol = environ.get("HEADRACE_OTLP_PROTOCOL") or "http/protobuf"
    _one_of("HEADRACE_OTLP_PROTOCOL", protocol, _OTLP_PROTOCOLS)
    headers = _secret(environ, "HEADRACE_OTLP_HEADERS") or ""
    return OtlpSettings(
        endpoint, protocol, tuple(_headers(headers)), _path(environ, "HEADRACE_OTLP_CERTIFICATE")
    )


def _headers(text: str) -> Iterator[tuple[str, str]]:
    """Read headers as OpenTelemetry's own variables have them. What is wrong is never quoted."""
    for number, part in enumerate(text.strip().split(","), 1):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if not equals or not _HEADER_NAME(name) or not _HEADER_VALUE(value):
            raise SettingsError(
                f"HEADRACE_OTLP_HEADERS: number {number} is not name=value; what is special in a"
                " value stands in percent (%2C for a comma)"
            )
        yield name, value


def _audit(environ: Mapping[str, str]) -> AuditSettings:
    prefix = "HEADRACE_AUDIT_"
    masters = [prefix + name for name in ("MASTER_KEY", "MASTER_KEY_FILE", "KMS_KEY")]
    given = [name for name in masters if environ.get(name)]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} exclude each other: one master key wraps")
    witnesses = environ.get(prefix + "WITNESSES", "").split(",")
    return AuditSettings(
        policy=_path(environ, prefix + "POLICY"),
        topic_per_class=_boolean(environ, prefix + "TOPIC_PER_CLASS"),
        vault=environ.get(prefix + "VAULT") or None,
        keys=environ.get(prefix + "KEYS") or None,
        signing_keys=_path(environ, prefix + "SIGNING_KEYS"),
        master_key=environ.get(prefix + "MASTER_KEY") or None,
        master_key_file=_path(environ, prefix + "MASTER_KEY_FILE"),
        kms_key=environ.get(prefix + "KMS_KEY") or None,
        witnesses=tuple(name.strip() for name in witnesses if name.strip()),
        clickhouse_url=_audit_url(environ.get(prefix + "CLICKHOUSE_URL")),
    )


def _audit_url(url: str | None) -> str | None:
    if not url:
        return None
    if not url.startswith(("http://", "https://")) or not _can_be_read(url):
        raise SettingsError(
            "HEADRACE_AUDIT_CLICKHOUSE_URL cannot be read: it is http[s]://user:password@host:port,"
            " and what is special in its password stands in percent (%2F for /)"
        )
    return url


def _can_be_read(url: str) -> bool:
    """Whether the address ends where it is meant to: a bare / ? or # in a password ends it."""
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:  # its text quotes what it takes for the port: a piece of the password
        return False
    return "@" not in url or "@" in split.netloc


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    path = environ.get(name + "_FILE")
    if not path:
        return environ.get(name)
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}") from None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None


def _integer(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {text!r}") from None
    if value < 1:
        raise SettingsError(f"{name} must be at least 1, not {value}")
    return value


def _boolean(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").lower()
    if text not in {"", *_YES, *_NO}:
        raise SettingsError(f"{name} must be one of {', '.join((*_YES, *_NO))}, not {text!r}")
    return text in _YES


def _read_stack(path: Path) -> dict[str, str]:
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    return content if isinstance(content, dict) else {}
