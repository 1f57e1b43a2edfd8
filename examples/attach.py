"""Everything about an agent: events, permissions, people's answers, start and end of the session.

    HEADRACE_TENANT=acme python attach.py "Delete the old reports."

The person at the terminal has ten seconds to agree; after that the answer is "no", and what is
recorded is ``timeout``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from agentao import Agentao
from agentao.transport import SdkTransport

from headrace.producers import EventProducer, answered_by


def ask(tool: str, _description: str, args: dict[str, Any]) -> bool:
    print(f"May the agent use {tool} with {args}? [y/n] ", end="", flush=True)
    answered_by("ada")  # who sits at this terminal: recorded with the answer
    # Not input(): a thread that still waits in there would stop the program from ending.
    return os.read(sys.stdin.fileno(), 80).strip() == b"y"


async def main(message: str) -> None:
    async with EventProducer.from_env() as producer:
        agent = Agentao(
            api_key=os.environ["OPENAI_API_KEY"],
            base_url=os.environ["OPENAI_BASE_URL"],
            model=os.environ["OPENAI_MODEL"],
            working_directory=Path.cwd(),
            transport=SdkTransport(confirm_tool=ask),
        )
        async with agent:
            with producer.attach(agent, user="ada", confirm_timeout=10.0):
                print(await agent.arun(message))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
