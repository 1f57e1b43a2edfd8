"""A real Kafka that asks who you are: SASL over TLS, and client certificates."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headrace.events.settings import KafkaSettings
from headrace.local.ports import free_port
from tests.stack.kafka_jars import program
from tests.stack.real_kafka import KafkaCluster, password

USER = "agent"


@dataclass(frozen=True)
class SecureKafka:
    """One broker; each of the settings is a way in."""

    plain: KafkaSettings
    """SASL_SSL with PLAIN."""
    scram: KafkaSettings
    """SASL_SSL with SCRAM-SHA-512."""
    certificate: KafkaSettings
    """SSL with a client certificate (TLS 1.2 or 1.3), and no other credential."""


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker with a listener for each kind of credential. Mark the test ``kafka``."""
    directory = tmp_path_factory.mktemp("secure-kafka")
    certificates = _Certificates(directory / "tls")
    secret, sasl, ssl = password(), free_port(), free_port()
    cluster = KafkaCluster(directory / "kafka")
    broker = cluster.brokers[0]
    broker.extra.update(
        {
            "listeners": (
                f"PLAINTEXT://{broker.address},CONTROLLER://127.0.0.1:{broker.controller_port},"
                f"SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}"
            ),
            "advertised.listeners": (
                f"PLAINTEXT://{broker.address},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}"
            ),
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.broker_keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'user_{USER}="{secret}";'
            ),
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        }
    )
    try:
        cluster.start("--add-scram", f"SCRAM-SHA-512=[name={USER},password={secret}]")
        plain = KafkaSettings(
            f"127.0.0.1:{sasl}",
            security_protocol="SASL_SSL",
            sasl_username=USER,
            sasl_password=secret,
            ssl_cafile=str(certificates.authority),
        )
        yield SecureKafka(
            plain=plain,
            scram=replace(plain, sasl_mechanism="SCRAM-SHA-512"),
            certificate=KafkaSettings(
                f"127.0.0.1:{ssl}",
                security_protocol="SSL",
                ssl_certfile=str(certificates.client),
                ssl_keyfile=str(certificates.client_key),
                ssl_cafile=str(certificates.authority),
            ),
        )
    finally:
        cluster.close()


class _Certificates:
    """An authority, the broker's certificate for 127.0.0.1 and a client's, by openssl."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        directory.mkdir(parents=True)
        self.authority = directory / "ca.crt"
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=headrace tests", "-keyout", "ca.key", "-out", "ca.crt"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        self._issue("broker", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self._issue("client", "extendedKeyUsage=clientAuth")
        self.client, self.client_key = directory / "client.crt", directory / "client.key"
        self.broker_keystore = directory / "broker.pem"
        parts = [directory / "broker.key", directory / "broker.crt", self.authority]
        self.broker_keystore.write_bytes(b"".join(part.read_bytes() for part in parts))

    def _issue(self, name: str, extension: str) -> None:
        # PKCS#8 keys: the only form that Kafka's PEM reader takes.
        self._openssl("genpkey", "-algorithm", "RSA", "-out", f"{name}.key")
        self._openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "csr")
        (self._dir / "ext").write_text(extension + "\n")
        self._openssl(
            *("x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", f"{name}.crt"),
        )

    def _openssl(self, *arguments: str) -> None:
        command = [program("openssl"), *arguments]
        done = subprocess.run(
            command, cwd=self._dir, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
