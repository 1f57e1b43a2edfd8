"""Witnesses: what they get, what they never lose again, and what is refused of a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.events.errors import SettingsError
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import EMPTY_ROOT
from headrace.streams.seal.witness import AwayError, DirectoryWitness, Witness, open_witnesses
from tests.audit.log import LOG
from tests.seal.receiver import receiver
from tests.seal.signing import Signing


def checkpoint(size: int) -> bytes:
    return Signing().sign(Checkpoint.of(LOG, size, EMPTY_ROOT).to_text()).encode()


async def test_a_directory_keeps_each_and_the_newest(tmp_path: Path) -> None:
    witness = DirectoryWitness(tmp_path / "w")
    for size in (1, 5, 3, 5):  # a zombie tells of what is old
        await witness.tell(LOG, size, checkpoint(size))
    await witness.close()
    names = sorted(path.name for path in (tmp_path / "w" / LOG).iterdir())
    assert names == [f"{size:020d}.checkpoint" for size in (1, 3, 5)]
    assert (tmp_path / "w" / f"{LOG}.checkpoint").read_bytes() == checkpoint(5)


async def test_a_file_that_is_no_checkpoint_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{LOG}.checkpoint").write_text("torn")
    witness = DirectoryWitness(tmp_path)
    await witness.tell(LOG, 1, checkpoint(1))
    await witness.close()
    assert (tmp_path / f"{LOG}.checkpoint").read_bytes() == checkpoint(1)


async def told(witness: Witness) -> str:
    """Tell a witness that does not take it; return why."""
    with pytest.raises(AwayError) as error:
        await witness.tell(LOG, 1, checkpoint(1))
    await witness.close()
    return str(error.value)


async def test_a_url_that_leads_inside_must_say_so() -> None:
    async with receiver() as there:
        (witness,) = open_witnesses([there.url])
        assert (await told(witness)).endswith("; put #allow=<address> behind its URL")
        assert there.got == []
        (witness,) = open_witnesses([f"{there.url}#allow=10.0.0.7+127.0.0.0/8"])
        await witness.tell(LOG, 1, checkpoint(1))
        await witness.close()
        assert there.got == [checkpoint(1)]
        (witness,) = open_witnesses([there.url.replace("/checkpoints", "/x#allow=127.0.0.1")])
        assert await told(witness) == "answered 404"


def test_a_name_shows_no_secret() -> None:
    (witness,) = open_witnesses(["https://user:secret@witness.example/token?key=secret"])
    assert witness.name == "witness.example"


@pytest.mark.parametrize(
    "name", ["ftp://x/y", "https://", "https://x/#allow=host", "https://x/#x", "http://[::1/x"]
)
def test_what_is_no_witness_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="a witness is a directory or http"):
        open_witnesses([name])
