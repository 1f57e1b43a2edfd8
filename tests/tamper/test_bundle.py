"""Every tampering of a bundle is found, by its name and where it begins."""

from __future__ import annotations

import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headrace.sinks.audit.bundle import BundleError, Chosen, write_bundle
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.seal import seal_name
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline
from tests.tamper.bundle_list import BUNDLE
from tests.tamper.lab import CHOSEN, SIZES, Lab, Tampering, verified
from tests.tamper.making import LOG, OTHER, SEALED_AT, vault_at


@pytest.mark.parametrize("tampering", BUNDLE, ids=lambda one: one.name)
def test_it_is_found(tampering: Tampering, lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "bundle", bundle=True)
    tampering.do(root, lab)
    tampering.assert_found(verified(root, lab, since=tampering.since(lab), now=tampering.now))


def zipped(root: Path, to: Path) -> Path:
    shutil.make_archive(str(to.with_suffix("")), "zip", root)
    return to


@pytest.mark.parametrize("packed", [False, True])
def test_what_nobody_touched_is_whole(lab: Lab, tmp_path: Path, *, packed: bool) -> None:
    path = zipped(lab.bundle, tmp_path / "b.zip") if packed else lab.bundle
    report = verified(path, lab, since=[lab.pinned(LOG, 17)])
    assert (report.whole, report.kind, report.leaves) == (True, "bundle", 8)
    assert [(one.log, one.size, one.pinned) for one in report.logs] == [
        (LOG, 33, [17]),
        (OTHER, 33, []),
    ]


@pytest.mark.parametrize("tampering", BUNDLE[::5], ids=lambda one: one.name)
def test_it_is_found_in_a_zip(tampering: Tampering, lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "bundle", bundle=True)
    tampering.do(root, lab)
    path = zipped(root, tmp_path / "b.zip")
    tampering.assert_found(verified(path, lab, since=tampering.since(lab)))


def test_a_younger_pinned_checkpoint_says_nothing_of_a_bundle(lab: Lab, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    shutil.copytree(lab.original, vault)
    for first in (17,):
        (vault / f"logs/{LOG}/{first:020d}.seal").unlink()
    out = tmp_path / "bundle"
    leaf = lab.writers[0].leaves[3]
    write_bundle(
        Vault(DirectoryPlace(vault)),
        [Chosen(LOG, 3, leaf, None, "not opened")],
        out,
        selection={},
        sign=lab.signing.sign,
        keys=lab.signing.public,
        now=SEALED_AT,
    )
    report = verified(out, lab, since=[lab.pinned(LOG, 33)])
    assert (report.whole, report.logs[0].pinned) == (True, [])
    assert "younger" in report.notices[0]


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ([(LOG, 33, b"{}")], "not sealed yet"),
        ([(LOG, 3, b"{}")], "not the one that was sealed"),
        ([(LOG, 9, None), (LOG, 3, None)], "does not follow"),
        ([(LOG, 3, None), (OTHER, 3, None), (LOG, 9, None)], "twice"),
        ([("0123456789abcdef-9", 3, b"{}")], "nothing of log"),
    ],
)
def test_what_cannot_be_bundled_leaves_nothing(
    lab: Lab, tmp_path: Path, chosen: list[tuple[str, int, bytes | None]], why: str
) -> None:
    by_log = {one.log: one for one in lab.writers}
    members = [
        Chosen(log, at, by_log[log].leaves[at] if leaf is None else leaf, None, None)
        for log, at, leaf in chosen
    ]
    with pytest.raises(BundleError, match=why):
        write_bundle(
            Vault(DirectoryPlace(lab.original)),
            members,
            tmp_path / "bundle",
            selection={},
            sign=lab.signing.sign,
            keys=lab.signing.public,
            now=SEALED_AT,
        )
    assert [*tmp_path.iterdir()] == []


def test_of_two_pinned_checkpoints_of_one_size_both_are_compared(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    vault_at(other, lab.signing, SIZES, mark="2")
    (tmp_path / "z").write_text(Vault(DirectoryPlace(other)).seal(seal_name(LOG, 10)).checkpoint)
    report = verified(lab.bundle, lab, since=[lab.pinned(LOG, 17), tmp_path / "z"])
    assert [(one.name, one.index) for one in report.findings] == [("fork", 17)]


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_is_its_makers_alone(lab: Lab, tmp_path: Path, name: str) -> None:
    """It may hold what was decrypted."""
    lab.write_bundle(lab.original, tmp_path / name, lab.writers)
    assert not (tmp_path / name).stat().st_mode & 0o077


def test_an_empty_bundle_says_so(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "bundle.zip"
    counts = write_bundle(
        Vault(DirectoryPlace(lab.original)),
        [],
        out,
        selection={"tenant": "nobody"},
        sign=lab.signing.sign,
        keys=lab.signing.public,
        now=SEALED_AT,
    )
    assert (counts.leaves, verified(out, lab).whole) == (0, True)
    with zipfile.ZipFile(out) as packed:
        assert b"0 records" in packed.read("index.html")


def test_there_is_nothing_overwritten(lab: Lab) -> None:
    with pytest.raises(BundleError, match="there already"):
        lab.write_bundle(lab.original, lab.bundle, lab.writers)


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[2J\x00\"'"


def test_the_page_shows_hostile_text_as_text(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    write_bundle(
        Vault(DirectoryPlace(lab.original)),
        [
            Chosen(LOG, 3, lab.writers[0].leaves[3], {HOSTILE: HOSTILE}, None),
            Chosen(LOG, 4, lab.writers[0].leaves[4], None, HOSTILE),
        ],
        out,
        selection={"tenant": HOSTILE},
        sign=lab.signing.sign,
        keys=lab.signing.public,
        now=SEALED_AT,
    )
    page = (out / "index.html").read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(page)
    assert not seen.tags & {"script", "img", "a", "link", "iframe"}
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert "<script>alert(1)</script>" in seen.text
    assert not {"\u202e", "\x1b", "\x00"} & set(page)
    assert verified(out, lab).whole


def test_what_a_bundle_holds(lab: Lab) -> None:
    lines = (lab.bundle / "leaves" / f"{LOG}.jsonl").read_bytes().split(b"\n")
    assert lines[:-1] == [lab.writers[0].leaves[at] for at in CHOSEN]
    source = Path(str(offline.__file__)).read_bytes()
    assert (lab.bundle / "verify.py").read_bytes() == source
