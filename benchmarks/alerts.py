"""From the event that crosses a threshold to its webhook, beyond the end of the event's pane.

    python benchmarks/alerts.py [--rate 500] [--seconds 120] [--kafka] [--json FILE]

An agent process calls the hook at the rate. A few times a second it lets a tool of a new name fail
once, which makes an alert of its own: one rule, one pane long, groups by tool. A receiver on
loopback checks the signature and notes when the webhook came. A pane ends every ten seconds of the
events' time; an alert cannot come before, so its latency is counted from there. The first pane is
not counted: an agent that starts imports for seconds.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from chain import Chain, arguments, run
from realistic import Event, mix
from standardwebhooks import Webhook

from headrace.events.metrics import PANE_SECONDS
from headrace.producers import EventProducer

EVERY_S: Final = 0.25
"""Between two failures: forty alerts a pane."""
LATE_S: Final = 60.0
"""What is not told so long after the last failure is lost."""
RULES: Final = """
[grouping]
by = ["tenant", "alertname", "tool"]
[[receiver]]
name = "bench"
kind = "webhook"
url_env = "BENCH_URL"
secret_env = "BENCH_SECRET"
allow = ["127.0.0.1"]
[[rule]]
name = "ToolFails"
sum = ['agent.tool.failures{tool=~"broken-.*"}']
window = "10s"
above = 0
group_by = ["tool"]
receivers = ["bench"]
"""


def produce(rate: int, seconds: float, spool: str, kafka: str) -> None:
    """The agent. Prints when each tool failed, as one JSON line."""
    failed: dict[str, float] = {}
    with EventProducer(kafka, tenant="bench", spool_dir=spool) as producer:
        hooks = {session: producer.hook(session=session) for session, _ in mix(1000)}
        began, due = time.time(), time.time()
        for number, (session, event) in enumerate(mix(int(rate * seconds))):
            pause = began + number / rate - time.time()
            if pause > 0:
                time.sleep(pause)
            hook = hooks.setdefault(session, producer.hook(session=session))
            hook(event)
            if time.time() >= due:
                due += EVERY_S
                tool = f"broken-{len(failed)}"
                failed[tool] = time.time()
                hook(Event("tool_complete", {"tool": tool, "status": "error", "duration_ms": 1}))
        producer.close(timeout=LATE_S)
    print(json.dumps(failed), flush=True)


class _Receiver(ThreadingHTTPServer):
    daemon_threads = True
    webhook: Webhook
    came: dict[str, float]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Receiver

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        now = time.time()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        for alert in self.server.webhook.verify(body, headers)["alerts"]:
            if alert["status"] == "firing":
                self.server.came.setdefault(alert["labels"]["tool"], now)
        self.send_response(204)
        self.end_headers()


@contextmanager
def receiver() -> Iterator[dict[str, float]]:
    """Listen, and say where in the environment; give when each tool's alert came."""
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    server = _Receiver(("127.0.0.1", 0), _Handler)
    server.webhook, server.came = Webhook(secret), {}
    os.environ["BENCH_URL"] = f"http://127.0.0.1:{server.server_port}/"
    os.environ["BENCH_SECRET"] = secret
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.came
    finally:
        server.shutdown()
        server.server_close()


def measure(
    running: Chain, rate: int, seconds: float, came: dict[str, float], directory: Path
) -> dict[str, Any]:
    kafka = running.settings.need_kafka().bootstrap_servers
    command = [sys.executable, __file__, "--produce", str(rate), str(seconds)]
    command += [str(directory / "spool"), kafka]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    failed: dict[str, float] = json.loads(done.stdout)
    give_up = time.monotonic() + LATE_S
    while came.keys() < failed.keys() and time.monotonic() < give_up:
        time.sleep(0.1)
    first = min(failed.values()) // PANE_SECONDS + 1
    counted = [tool for tool, at in failed.items() if at // PANE_SECONDS >= first]
    late = sorted(
        came[tool] - (failed[tool] // PANE_SECONDS + 1) * PANE_SECONDS
        for tool in counted
        if tool in came
    )

    def percentile(share: float) -> float:
        return round(late[min(len(late) - 1, int(share * len(late)))] * 1000, 1)

    return {
        "alerts": len(counted),
        "told": len(late),
        "p50_ms": percentile(0.5),
        "p90_ms": percentile(0.9),
        "p99_ms": percentile(0.99),
        "max_ms": percentile(1.0),
    }


def main() -> int:
    if sys.argv[1:2] == ["--produce"]:
        produce(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5])
        return 0
    parser = arguments(__doc__)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args()
    with receiver() as came:
        result = run(
            given,
            lambda running, directory: measure(running, given.rate, given.seconds, came, directory),
            workers=("metrics", "alerts", "notify"),
            rules=RULES,
        )
    return 0 if result["told"] == result["alerts"] else 1


if __name__ == "__main__":
    sys.exit(main())
