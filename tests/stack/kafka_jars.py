"""Apache Kafka's jars, by Maven, once a checkout: ``python -m tests.stack.kafka_jars``."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

VERSION = "4.4.0"
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
_FETCH_WITHIN_S = 600.0
"""60 MB; a mirror that is slower than this is down."""

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>headrace.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

_HELP = (
    "the tests on a real Kafka need {missing} on PATH: "
    "apt-get install default-jre-headless maven, or set KAFKA_BOOTSTRAP_SERVERS"
)


def program(name: str) -> str:
    """Find a program, or say what to install."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(_HELP.format(missing=name))
    return path


def jars() -> Path:
    """Return the directory of the jars; fetches them where they are not there yet.

    Safe from several processes at once: the directory appears whole.
    """
    target = CACHE / VERSION
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            draft = CACHE / f"{VERSION}.{os.getpid()}"
            _fetch(draft)
            draft.rename(target)
    return target


def _fetch(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    pom = directory / "pom.xml"
    pom.write_text(_POM, encoding="utf-8")
    command = [program("mvn"), "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={directory}"]
    for attempt in (1, 2, 3):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_WITHIN_S, check=False
        )
        if done.returncode == 0:
            return
        time.sleep(attempt)
    raise RuntimeError(f"Maven could not fetch Kafka {VERSION}: {done.stdout[-2000:]}")


if __name__ == "__main__":
    program("java")
    print(f"Kafka {VERSION}: {len(list(jars().glob('*.jar')))} jars")
