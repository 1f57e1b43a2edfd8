"""Make a Faust app. The one place that names its settings: Faust's defaults are not for us."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

import faust
from faust.types import EventT, Message

from headrace.events.settings import KafkaSettings, Settings
from headrace.streams.transport import CoalescingTransport
from headrace.streams.tuning import Tuning


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the transport's batches to agents as they are."""

    def compile(self, app: Any, **kwargs: Any) -> Any:
        create_event = app.create_event

        async def decode(message: Message, **_kwargs: Any) -> EventT[Any]:
            return cast("EventT[Any]", create_event(None, message.value, message.headers, message))

        return decode


def make_app(settings: Settings, name: str, tuning: Tuning) -> faust.App:
    """Make the app of one processor. Call on the loop that will run it.

    Its consumer group is ``<prefix>headrace.<name>``. Its topics must exist already. The app keeps
    nothing on disk: the directory that Faust insists on is its own, stays empty and goes with it.
    """
    kafka = settings.need_kafka()
    group = f"{settings.topic_prefix}headrace.{name}"
    directory = Path(tempfile.mkdtemp(prefix=f"headrace-{name}-"))
    app = faust.App(
        group,
        # The names of agents and tables are given at each; this one is only for messages.
        origin="headrace.streams",
        autodiscover=False,
        version=1,
        broker=_urls(kafka),
        broker_client_id=f"headrace-{name}",
        datadir=directory,
        # Two of Faust's guarantees are not there; identity removes duplicates instead.
        processing_guarantee="at_least_once",
        broker_commit_interval=tuning.commit_interval,
        broker_commit_every=None,
        broker_request_timeout=tuning.request_timeout_ms / 1000.0,
        broker_session_timeout=tuning.session_timeout_ms / 1000.0,
        broker_heartbeat_interval=tuning.heartbeat_interval_ms / 1000.0,
        broker_max_poll_interval=tuning.max_poll_interval_ms / 1000.0,
        consumer_max_fetch_size=tuning.max_fetch_bytes,
        consumer_auto_offset_reset="earliest",
        # The transport bounds the bytes; this bound is only never to be met before it.
        stream_buffer_maxsize=65_536,
        # Whoever stops must not wait for a sink that is away.
        stream_wait_empty=False,
        stream_publish_on_commit=False,
        stream_recovery_delay=0.0,
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_request_size=settings.max_event_bytes + 131_072,
        producer_request_timeout=tuning.request_timeout_ms / 1000.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_replication_factor=1,
        topic_partitions=1,
        reply_create_topic=False,
        table_standby_replicas=0,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.transport = CoalescingTransport(app, kafka, tuning)
    return app


def remove_directory(app: faust.App) -> None:
    """Remove the app's directory. Once the app has stopped."""
    shutil.rmtree(app.conf.datadir, ignore_errors=True)


def _urls(kafka: KafkaSettings) -> list[str]:
    return [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")]
