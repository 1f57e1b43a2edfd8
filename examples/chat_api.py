"""An API whose own trace goes on in the agent: browser, API, agent, model and tool in one.

    pip install fastapi uvicorn opentelemetry-sdk
    HEADRACE_TENANT=acme python chat_api.py 8080
    curl -H 'Content-Type: application/json' localhost:8080/chat \
        -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \
        -d '{"session_id": "s-1", "user_id": "ada", "message": "hello"}'

The hook takes the span that is current where the turn begins, here ``agent_chat``: nothing else is
to be done. ``asyncio.to_thread`` takes the context along.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from agentao import Agentao
from agentao.transport import SdkTransport
from fastapi import FastAPI, Request
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from pydantic import BaseModel

from headrace.producers import EventProducer

provider = TracerProvider()
# In its place: your exporter, to the receiver that headrace's spans go to.
console = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
provider.add_span_processor(SimpleSpanProcessor(console))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer(__name__)


class ChatRequest(BaseModel):
    session_id: str
    user_id: str
    message: str


@asynccontextmanager
async def recorded(app: FastAPI) -> AsyncIterator[None]:
    async with EventProducer.from_env() as producer:
        app.state.producer = producer
        app.state.agents = {}
        yield
        for agent in app.state.agents.values():
            await agent.aclose()


app = FastAPI(lifespan=recorded)


def agent_of(session: str) -> Agentao:
    """Return the session's agent: it remembers the conversation."""
    agents: dict[str, Agentao] = app.state.agents
    if session not in agents:
        agents[session] = Agentao(
            api_key=os.environ["OPENAI_API_KEY"],
            base_url=os.environ["OPENAI_BASE_URL"],
            model=os.environ["OPENAI_MODEL"],
            working_directory=Path.cwd(),
            transport=SdkTransport(on_event=app.state.producer),
        )
    return agents[session]


@app.post("/chat")
async def chat(req: ChatRequest, request: Request) -> dict[str, str]:
    browser = propagate.extract(request.headers)
    with tracer.start_as_current_span("user_chat", context=browser) as span:
        span.set_attribute("user.id", req.user_id)
        span.set_attribute("session.id", req.session_id)
        agent = agent_of(req.session_id)
        with (
            tracer.start_as_current_span("agent_chat"),
            app.state.producer.bind(session=req.session_id, user=req.user_id),
        ):
            reply = await asyncio.to_thread(agent.chat, req.message)
        return {"reply": reply}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
