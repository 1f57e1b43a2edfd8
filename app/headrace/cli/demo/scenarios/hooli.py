"""A planner whose system prompt tells the time to the millisecond: nothing is ever cached."""

from __future__ import annotations

from typing import Final

from headrace.cli.demo.llm_server import Reply
from headrace.cli.demo.scenarios.scenario import Scenario, Turn, call

HOOLI: Final = (
    Scenario(
        session="prompt-churns",
        tenant="hooli",
        user="pia",
        agent="planner",
        model="gpt-5-mini",
        tools=("get_order", "get_shipment"),
        churns=True,
        turns=(
            Turn(
                "Which of today's deliveries are late?",
                (
                    Reply(
                        "I will look at the two that are still open.",
                        tools=(
                            call("get_shipment", order_id="o-2041"),
                            call("get_shipment", order_id="o-2055"),
                        ),
                    ),
                    Reply("None: both are at the Leipzig hub and are expected in time."),
                ),
            ),
            Turn(
                "And what is in the first of them?",
                (
                    Reply(tools=(call("get_order", order_id="o-2041"),)),
                    Reply("A black kettle and two packs of limescale filters."),
                ),
            ),
        ),
    ),
)
