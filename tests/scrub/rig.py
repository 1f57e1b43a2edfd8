"""Workers that scrub by rules of a test's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.archive.rig import Rig
from tests.scrub.support import KEY


@dataclass
class ScrubRig(Rig):
    rules: str = ""

    def __post_init__(self) -> None:
        (self.directory / "scrub.key").write_text(KEY["SCRUB_KEY"])
        self.scrub_file.write_text(f'key_file = "scrub.key"\n{self.rules}')
        self.environment["HEADRACE_SCRUB"] = str(self.scrub_file)

    @property
    def scrub_file(self) -> Path:
        return self.directory / "scrub.toml"
