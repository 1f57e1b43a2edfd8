"""Keys of the audit trail: data keys by subject, the master keys over them, signing keys."""

from headrace.sinks.audit.keys.cache import CACHE_SECONDS
from headrace.sinks.audit.keys.data_keys import DataKeys
from headrace.sinks.audit.keys.errors import (
    KeysError,
    KeyStoreError,
    MasterKeyError,
    MissingKeyError,
    ShreddedError,
)
from headrace.sinks.audit.keys.master import MasterKey
from headrace.sinks.audit.keys.names import DataKey, KeyName
from headrace.sinks.audit.keys.opening import ensure_local, open_keys, open_signing
from headrace.sinks.audit.keys.signing import SigningKeys

__all__ = [
    "CACHE_SECONDS",
    "DataKey",
    "DataKeys",
    "KeyName",
    "KeyStoreError",
    "KeysError",
    "MasterKey",
    "MasterKeyError",
    "MissingKeyError",
    "ShreddedError",
    "SigningKeys",
    "ensure_local",
    "open_keys",
    "open_signing",
]
