"""What scrubbing costs: the scrubber alone, and the archive with it and without.

    python benchmarks/scrub.py [--events 500000] [--rounds 3] [--json FILE]

Alone: processor time an event, over a realistic mix. The archive: a full topic drained through the
real worker, as in archive.py, once for each variant and round, on the embedded broker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from archive import drain, empty_archive
from full_topic import encoded, fill

from headrace.events.settings import Settings
from headrace.streams.scrub import config

RULES = Path(__file__).parents[1] / "deploy/scrub/scrub.toml"
USERS = """
key_file = "scrub.key"
[[rule]]
name = "email"
paths = ["user"]
action = "pseudonym"
"""
SECRET = b'"data":{"note":"write to ann@corp.org, the password=hunter2",'
ALONE = 25_000


class Variant(NamedTuple):
    name: str
    rules: str
    """Of the scrub file; empty: there is none."""
    share: int = 0
    """One of so many events has a secret in it; 0: those of the mix."""
    users: bool = False
    """Each event's user is an address of mail."""


SHIPPED = RULES.read_text()
VARIANTS = (
    Variant("off", ""),
    Variant("on, the mix as it is", SHIPPED),
    Variant("on, 1 % with secrets", SHIPPED, 100),
    Variant("on, 20 % with secrets", SHIPPED, 5),
    Variant("on, every user a pseudonym", USERS + SHIPPED, 0, users=True),
    Variant("on, every event with secrets", SHIPPED, 1),
)


def planted(
    events: Iterable[tuple[bytes, bytes]], variant: Variant
) -> Iterator[tuple[bytes, bytes]]:
    for number, (key, value) in enumerate(events):
        changed = value
        if variant.share and number % variant.share == 0:
            changed = changed.replace(b'"data":{', SECRET, 1).replace(b",}", b"}", 1)
        if variant.users:
            changed = changed.replace(b'"user":"u-1"', b'"user":"u-%d@corp.org"' % (len(key)), 1)
        yield key, changed


def alone(variant: Variant, folder: Path) -> dict[str, Any]:
    """Processor time of the scrubber over one batch, such as the archive has."""
    values: list[bytes | None] = [value for _, value in planted(encoded(ALONE), variant)]
    scrubber = config.load(written(variant, folder))
    taken, rewritten = [], 0
    for _ in range(3):
        begin = time.process_time()
        rewritten = scrubber.scrub(values).rewritten
        taken.append((time.process_time() - begin) / ALONE * 1e9)
    return {"ns_per_event": round(min(taken)), "rewritten": rewritten / ALONE}


def written(variant: Variant, folder: Path) -> Path:
    (folder / "scrub.key").write_text(secrets.token_hex(32))
    path = folder / "scrub.toml"
    path.write_text(variant.rules)
    return path


async def through_the_archive(variant: Variant, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        scrub = written(variant, folder) if variant.rules else None
        async with empty_archive(Settings(state_dir=folder, scrub=scrub)) as (settings, pids):
            await fill(settings, planted(encoded(count), variant))
            result = await asyncio.to_thread(drain, settings, count, pids)
    if result["distinct_identities"] != count:
        raise SystemExit(f"{variant.name}: {result['distinct_identities']} of {count} archived")
    return {
        "events_per_second": round(result["events_per_second"]),
        "worker_cpu_us": result["cpu_us_per_event"]["worker"],
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {variant.name: {} for variant in VARIANTS}
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        for variant in VARIANTS:
            if variant.rules:
                results[variant.name] |= alone(variant, Path(name))
    print(json.dumps(results, indent=1), flush=True)
    for number in range(given.rounds):
        for variant in VARIANTS:
            one = await through_the_archive(variant, given.events)
            results[variant.name].setdefault("rounds", []).append(one)
            print(f"round {number + 1}, {variant.name}: {one}", flush=True)
    for result in results.values():
        for figure in ("events_per_second", "worker_cpu_us"):
            if rounds := result.get("rounds"):
                result[figure] = median(one[figure] for one in rounds)
    print(json.dumps(results, indent=1))
    if given.json:
        given.json.write_text(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main())
