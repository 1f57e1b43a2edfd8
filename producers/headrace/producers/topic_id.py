"""Asking a broker for a topic's id, which tells a topic from one that was made again by its name.

aiokafka knows the metadata request up to its fifth version; ids came with the tenth (Kafka 2.8).
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NONE: Final = UUID(int=0)


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _Response(Response):  # type: ignore[misc]
    API_KEY = 3  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    API_VERSION = 10  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Struct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Ask(Request[_Struct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Struct]) -> Any:
        return request_struct_class([(_NONE, self._topic, {})], False, False, False, {})


async def topic_id_of(kafka: AIOKafkaProducer, topic: str) -> str:
    """Return the topic's id; nothing where the brokers are too old to have any.

    Raises KafkaError where there is no such topic or no answer.
    """
    try:
        response = await kafka.client.send(kafka.client.get_random_node(), _Ask(topic))
    except NotImplementedError:  # aiokafka's word for a version that the broker does not speak
        return ""
    for error_code, _, topic_id, *_ in response.topics:
        if error_code:
            raise for_code(error_code)(topic)
        if topic_id != _NONE:
            return str(topic_id)
    return ""
