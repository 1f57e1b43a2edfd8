"""How long the archive keeps rows: per table, tenant and type of event, applied as TTL."""

from headrace.streams.retention.apply import Change as Change
from headrace.streams.retention.apply import apply as apply
from headrace.streams.retention.apply import compare as compare
from headrace.streams.retention.policy import Policy as Policy
from headrace.streams.retention.policy import load as load
