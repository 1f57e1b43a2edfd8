from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.events.settings import KafkaSettings
from tests.stack.secure_kafka import SecureKafka

pytestmark = pytest.mark.kafka


async def _brokers(settings: KafkaSettings) -> int:
    admin = AIOKafkaAdminClient(**settings.client_kwargs())
    try:
        await asyncio.wait_for(admin.start(), 30)
        return len((await admin.describe_cluster())["brokers"])
    finally:
        await admin.close()


@pytest.mark.parametrize("way", ["plain", "scram", "certificate"])
async def test_each_credential_opens_the_door(secure_kafka: SecureKafka, way: str) -> None:
    assert await _brokers(getattr(secure_kafka, way)) == 1


@pytest.mark.parametrize("way", ["plain", "scram"])
async def test_a_wrong_password_does_not(
    secure_kafka: SecureKafka, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    settings = replace(getattr(secure_kafka, way), sasl_password="wrong")
    with pytest.raises(KafkaError):
        await _brokers(settings)


async def test_no_certificate_does_not(secure_kafka: SecureKafka) -> None:
    settings = replace(secure_kafka.certificate, ssl_certfile=None, ssl_keyfile=None)
    with pytest.raises(KafkaError):
        await _brokers(settings)
