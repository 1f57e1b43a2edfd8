"""A web handler: each request binds its session and user, one producer serves them all.

    HEADRACE_TENANT=acme python web.py 8080
    curl -d '{"session": "s-1", "user": "ada", "message": "hello"}' localhost:8080/chat

The binding is a context variable: it reaches ``chat()`` and its tools, and ``asyncio.to_thread``
takes it along. It does not reach ``arun()``; around that use ``producer.attach``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agentao import Agentao
from agentao.transport import SdkTransport
from aiohttp import web

from headrace.producers import EventProducer

PRODUCER: web.AppKey[EventProducer] = web.AppKey("producer", EventProducer)
AGENTS: web.AppKey[dict[str, Agentao]] = web.AppKey("agents", dict)


def agent_of(app: web.Application, session: str) -> Agentao:
    """Return the session's agent: it remembers the conversation."""
    agents = app[AGENTS]
    if session not in agents:
        agents[session] = Agentao(
            api_key=os.environ["OPENAI_API_KEY"],
            base_url=os.environ["OPENAI_BASE_URL"],
            model=os.environ["OPENAI_MODEL"],
            working_directory=Path.cwd(),
            transport=SdkTransport(on_event=app[PRODUCER]),
        )
    return agents[session]


async def chat(request: web.Request) -> web.Response:
    asked: dict[str, Any] = await request.json()
    agent = agent_of(request.app, asked["session"])
    with request.app[PRODUCER].bind(session=asked["session"], user=asked["user"]):
        reply = await asyncio.to_thread(agent.chat, asked["message"])
    return web.json_response({"reply": reply})


async def recorded(app: web.Application) -> AsyncIterator[None]:
    async with EventProducer.from_env() as producer:
        app[PRODUCER] = producer
        app[AGENTS] = {}
        yield
        for agent in app[AGENTS].values():
            await agent.aclose()


def main(port: int) -> None:
    app = web.Application()
    app.router.add_post("/chat", chat)
    app.cleanup_ctx.append(recorded)
    web.run_app(app, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(int(sys.argv[1]))
