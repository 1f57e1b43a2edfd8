"""Keys by the settings: opened, and made where they are missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import data_keys, signing
from headrace.sinks.audit.keys.data_keys import DataKeys
from headrace.sinks.audit.keys.directory import DirectoryStore
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.kms import KmsMasterKey
from headrace.sinks.audit.keys.master import LocalMasterKey, MasterKey, generate, parse
from headrace.sinks.audit.keys.names import id_at
from headrace.sinks.audit.keys.private import create_private, make_private, read_private
from headrace.sinks.audit.keys.s3 import SCHEME, S3Store
from headrace.sinks.audit.keys.signing import SigningKeys
from headrace.sinks.audit.keys.store import KeyStore
from headrace.sinks.audit.vault.vault import make_vault


def open_keys(settings: Settings, ring: KeyRing | None = None) -> DataKeys:
    """Open the data keys; ``ring``: by these master keys, in place of those of the settings.

    Raises :class:`SettingsError` where something is missing, and as :class:`DataKeys`.
    """
    return DataKeys(open_store(settings), ring or open_ring(settings))


def open_signing(settings: Settings) -> SigningKeys:
    """Open the signing keys. Raises :class:`SettingsError`."""
    return signing.load(signing_folder(settings))


def ensure_local(settings: Settings) -> list[str]:
    """Make what is missing of master key, store and signing key; return what was made, in words.

    And the vault where it is in the state directory: what is elsewhere may just not be mounted.
    Safe from several processes at once, and after an interruption. Raises as :func:`open_keys`.
    """
    made: list[str] = []
    home = settings.state_dir / "audit"
    try:
        make_private(home)
    except OSError as error:
        raise SettingsError(f"{home} cannot be made: {error.strerror}") from None
    store = open_store(settings)
    path = master_file(settings)
    if in_a_file(settings) and _make_master(path, store):
        made.append(f"master key {path}")
    ring = open_ring(settings)
    store.prepare()
    if data_keys.initialise(store, ring):
        made.append(f"key store {store.where}")
    DataKeys(store, ring)
    folder = signing_folder(settings)
    if signing.initialise(folder, signing_name(settings)):
        made.append(f"signing key {signing.load(folder).current.line()}")
    if settings.audit.vault is None and (vault := make_vault(settings)):
        made.append(f"vault {vault}")
    return made


def open_store(settings: Settings) -> KeyStore:
    where = settings.audit.keys or str(settings.state_dir / "audit" / "keys")
    return S3Store(where) if where.startswith(SCHEME) else DirectoryStore(Path(where))


def open_ring(settings: Settings) -> KeyRing:
    """Return the master keys; a file's are read again when they change."""
    load = partial(open_masters, settings) if in_a_file(settings) else None
    return KeyRing(open_masters(settings), load)


def open_masters(settings: Settings) -> list[MasterKey]:
    """Return the master keys, the one that wraps first. Raises :class:`SettingsError`."""
    audit = settings.audit
    if audit.kms_key is not None:
        names = [name.strip() for name in audit.kms_key.split(",")]
        return [KmsMasterKey(name) for name in names if name]
    if audit.master_key is not None:
        return [*parse(audit.master_key, "HEADRACE_AUDIT_MASTER_KEY")]
    return [*read_masters(master_file(settings))]


def read_masters(path: Path) -> list[LocalMasterKey]:
    """Read a file of master keys. Raises :class:`SettingsError`."""
    text = read_private(path)
    if text is None:
        raise SettingsError(
            f"no master key: {path} is not there: restore it, or run `headrace audit keys init`"
        )
    return parse(text, str(path))


def in_a_file(settings: Settings) -> bool:
    """Whether the master key is in a file, and in neither the environment nor a KMS."""
    return settings.audit.master_key is None and settings.audit.kms_key is None


def master_file(settings: Settings) -> Path:
    return settings.audit.master_key_file or settings.state_dir / "audit" / "master.key"


def signing_folder(settings: Settings) -> Path:
    return settings.audit.signing_keys or settings.state_dir / "audit" / "signing"


def signing_name(settings: Settings) -> str:
    """Return the name that a new key signs under."""
    return urlsplit(settings.external_url).hostname or signing.NAME


def _make_master(path: Path, store: KeyStore) -> bool:
    if path.exists():
        return False
    # A fresh key would open none of these, and hide that the right one is lost.
    if any(map(id_at, store.paths())):
        raise SettingsError(
            f"the master key is lost: {path} is not there, and {store.where} has keys wrapped by "
            "it: restore it from a backup"
        )
    try:
        make_private(path.parent)
        return create_private(path, generate().encode() + b"\n")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None
