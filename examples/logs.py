"""The log lines of agentao and of the application, each with its session, beside the events.

    HEADRACE_TENANT=acme python logs.py "How many orders came in today?"

They go to the topic `agent.logs`; `headrace logs --session order-17` shows them. The same lines are
printed as JSON, for whatever collects what a process prints.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from agentao import Agentao
from agentao.transport import SdkTransport

from headrace.producers import EventProducer, LogHandler

log = logging.getLogger("shop")


def main(message: str) -> None:
    with EventProducer.from_env() as producer:
        handler = LogHandler(producer, stdout=True)
        for logger in (log, logging.getLogger("agentao")):
            logger.setLevel(logging.INFO)
            logger.addHandler(handler)
        with producer.bind("order-17", user="ada"):
            log.info("an order comes in")
            agent = Agentao(
                api_key=os.environ["OPENAI_API_KEY"],
                base_url=os.environ["OPENAI_BASE_URL"],
                model=os.environ["OPENAI_MODEL"],
                working_directory=Path.cwd(),
                transport=SdkTransport(on_event=producer),
            )
            log.info(agent.chat(message))
            agent.close()


if __name__ == "__main__":
    main(sys.argv[1])
