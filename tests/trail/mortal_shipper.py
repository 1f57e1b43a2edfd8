"""The shipper of what dead agents left, which dies at the worst moment.

Kafka has acknowledged what it sent, and the spool's checkpoint does not say so yet.
"""

from __future__ import annotations

import os
import signal
import sys

from headrace.producers.ship import main
from headrace.producers.sources import Chunk, LaneSource


def _die(_: LaneSource, chunk: Chunk) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    LaneSource.acknowledge = _die  # type: ignore[assignment,method-assign]
    sys.exit(main(sys.argv[1:]))
