"""How long a gRPC server asks to be left alone: google.rpc.RetryInfo in the details of its status.

The two messages are made here from their field numbers, which the protocol fixes: a package for
them would be one more to install.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
)
from google.protobuf.message import DecodeError

LONGEST: Final = 3600.0
"""Seconds. Spans are not put off for longer, whatever a receiver asks for."""
_KEY: Final = "grpc-status-details-bin"
_TYPE: Final = "google.rpc.RetryInfo"


def _messages() -> tuple[Any, Any]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="headrace/status.proto", package="headrace.status", syntax="proto3"
    )
    file.dependency.extend([any_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    status = file.message_type.add(name="Status")
    status.field.add(
        name="details", number=3, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED,
        type_name=".google.protobuf.Any",
    )  # fmt: skip
    retry = file.message_type.add(name="RetryInfo")
    retry.field.add(
        name="retry_delay", number=1, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL,
        type_name=".google.protobuf.Duration",
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    found = (
        pool.FindMessageTypeByName(f"headrace.status.{name}") for name in ("Status", "RetryInfo")
    )
    first, second = map(message_factory.GetMessageClass, found)
    return first, second


_Status, _RetryInfo = _messages()


def delay_of(metadata: Iterable[tuple[str, Any]] | None) -> float:
    """Return the seconds that the trailing metadata asks for, 0 where it does not."""
    details = dict(metadata or ()).get(_KEY, b"")
    try:
        for one in _Status.FromString(details).details:
            if one.type_url.rpartition("/")[2] == _TYPE:
                delay = _RetryInfo.FromString(one.value).retry_delay
                seconds: float = delay.seconds + delay.nanos / 1e9
                return min(max(seconds, 0.0), LONGEST)
    except (DecodeError, TypeError):
        return 0.0
    return 0.0
