"""The hook that an agent runtime calls, and what carries its events to Kafka."""

from headrace.events.errors import HeadraceError, SettingsError
from headrace.events.settings import KafkaSettings
from headrace.producers.agentao_confirm import ConfirmTimeout, answered_by
from headrace.producers.files import EventFiles, TenantLogFiles
from headrace.producers.hook import Hook
from headrace.producers.log_handler import LogHandler
from headrace.producers.producer import EventProducer
from headrace.producers.report import Report

__all__ = [
    "ConfirmTimeout",
    "EventFiles",
    "EventProducer",
    "HeadraceError",
    "Hook",
    "KafkaSettings",
    "LogHandler",
    "Report",
    "SettingsError",
    "TenantLogFiles",
    "answered_by",
]
