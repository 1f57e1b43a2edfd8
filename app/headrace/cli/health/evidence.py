"""What the doctor says of the audit trail, of scrubbing, and of who is being forgotten."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.alerts.words import count
from headrace.cli.audit.policy import files
from headrace.cli.audit.policy.show import title
from headrace.cli.forget.request import Requests
from headrace.cli.scrub import files as rules
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import open_keys, open_signing
from headrace.sinks.audit.vault.vault import need_vault, open_vault

_PROOF = "headrace doctor\n"


def policy_text(settings: Settings) -> str:
    """Read the policy, and say what it has. Raises HeadraceError with its first mistake."""
    return title(files.load(settings))


def keys_text(settings: Settings) -> str:
    """Open the key store by the master key, and sign. Raises HeadraceError.

    Single data keys are for `headrace audit keys check`: there are many.
    """
    if not _has_evidence(settings):
        return "none here: `headrace audit keys init` where `headrace worker audit` is to run"
    keys, signing = open_keys(settings), open_signing(settings)
    signing.sign(_PROOF)
    return f"{keys.where} opens, {signing.current.name} signs: `headrace audit keys check` for each"


def vault_text(settings: Settings) -> str:
    """Ask the vault what it has. Raises HeadraceError, also where a place is named that is none."""
    somewhere = settings.audit.vault is not None or local_vault(settings) is not None
    logs = len((need_vault if somewhere else open_vault)(settings).logs())
    return f"{settings.audit.vault or local_vault(settings)} has {count(logs, 'log')}"


def local_vault(settings: Settings) -> Path | None:
    """Return the vault's directory; None where it is no directory, or nothing was sealed here."""
    if settings.audit.vault is not None:
        return None if "://" in settings.audit.vault else Path(settings.audit.vault)
    own = settings.state_dir / "audit" / "vault"
    return own if own.exists() else None


def scrub_text(settings: Settings, file: Path) -> str:
    """Read the rules that scrub, and say how many. Raises HeadraceError with the first mistake."""
    return f"{file}: {count(len(rules.load(settings).rules), 'rule')}"


def interrupted(settings: Settings) -> list[str]:
    """Return the requests to forget somebody that did not come to their end."""
    return [one.id for one in Requests(settings).all() if not one.past("done")]


def _has_evidence(settings: Settings) -> bool:
    return settings.audit.keys is not None or (settings.state_dir / "audit").exists()
