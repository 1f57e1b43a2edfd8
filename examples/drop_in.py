"""One line in an existing agent: the hook as ``on_event``.

    HEADRACE_TENANT=acme python drop_in.py "What is a head race?"

Right in every thread that the agent uses. What the hook returned from survives ``kill -9``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agentao import Agentao
from agentao.transport import SdkTransport

from headrace.producers import EventProducer


def main(message: str) -> None:
    with EventProducer.from_env() as producer:
        hook = producer.hook(session="drop-in-1", user="ada")
        agent = Agentao(
            api_key=os.environ["OPENAI_API_KEY"],
            base_url=os.environ["OPENAI_BASE_URL"],
            model=os.environ["OPENAI_MODEL"],
            working_directory=Path.cwd(),
            transport=SdkTransport(on_event=hook),
        )
        with agent:
            print(agent.chat(message))


if __name__ == "__main__":
    main(sys.argv[1])
