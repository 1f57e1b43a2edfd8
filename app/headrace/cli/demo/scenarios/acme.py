"""A shop's support: refunds that people agree to or not, and a customer to be forgotten."""

from __future__ import annotations

from typing import Final

from headrace.cli.demo.llm_server import Reply
from headrace.cli.demo.scenarios.scenario import Scenario, Turn, call

ACME: Final = (
    Scenario(
        session="where-is-my-kettle",
        tenant="acme",
        user="ada",
        agent="support",
        model="gpt-5-mini",
        tools=("get_order", "get_shipment", "get_customer"),
        turns=(
            Turn(
                "Where is my kettle? Order o-1041.",
                (
                    Reply(
                        "Let me look at the order, the parcel and your account.",
                        thinking="Three lookups that do not depend on each other: ask for all of "
                        "them at once.",
                        tools=(
                            call("get_order", order_id="o-1041"),
                            call("get_shipment", order_id="o-1041"),
                            call("get_customer", customer_id="c-17"),
                        ),
                    ),
                    Reply(
                        "Your kettle left the Leipzig hub yesterday morning at 05:41 and should "
                        "reach you on Tuesday, 24 November. The tracking number is JJD0003994012; "
                        "the two packs of limescale filters travel in the same parcel. As a gold "
                        "customer you can still move the delivery to another day or to a parcel "
                        "shop near you until tonight, without any charge. Shall I do that?"
                    ),
                ),
            ),
            Turn(
                "No, Tuesday is fine. Thanks!",
                (
                    Reply(
                        "You're welcome, Ada. I have left the delivery as it is: Tuesday, between "
                        "nine and one. If the parcel is not there by the evening, write to me "
                        "here and I will send a new one straight away."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="refund-agreed",
        tenant="acme",
        user="ben",
        agent="support",
        model="gpt-5-mini",
        tools=("get_order", "issue_refund"),
        turns=(
            Turn(
                "The kettle leaks. I want my money back for order o-0988.",
                (
                    Reply(tools=(call("get_order", order_id="o-0988"),)),
                    Reply(
                        "I am sorry about the leak. I will ask for the refund of 118.40 EUR now.",
                        tools=(call("issue_refund", order_id="o-0988", amount="118.40"),),
                    ),
                    Reply(
                        "Done: 118.40 EUR are on their way to your bank under the number rf-20417. "
                        "It usually takes two to three working days. You can keep or recycle the "
                        "kettle; please do not use it any more."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="refund-refused",
        tenant="acme",
        user="cleo",
        agent="support",
        model="gpt-5-mini",
        tools=("get_order", "issue_refund"),
        answer="reject",
        turns=(
            Turn(
                "Refund o-0417, it is only nine months old!",
                (
                    Reply(tools=(call("get_order", order_id="o-0417"),)),
                    Reply(tools=(call("issue_refund", order_id="o-0417", amount="118.40"),)),
                    Reply(
                        "A colleague has looked at it and could not agree to a refund after the "
                        "thirty days. Your two years of guarantee are untouched: I can send you a "
                        "label for a repair, free of charge, today."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="refund-unanswered",
        tenant="acme",
        user="dev",
        agent="support",
        model="gpt-5-mini",
        tools=("issue_refund",),
        answer="late",
        confirm_timeout=0.8,
        turns=(
            Turn(
                "Please refund o-1007 before the shop closes.",
                (
                    Reply(tools=(call("issue_refund", order_id="o-1007", amount="42.00"),)),
                    Reply(
                        "Nobody has agreed to the refund in time, so nothing has been sent. I have "
                        "noted your request and will ask again tomorrow morning."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="forget-me",
        tenant="acme",
        user="eva",
        agent="support",
        model="gpt-5-mini",
        forget=True,
        turns=(
            Turn(
                "Remember that I am allergic to nickel.",
                (
                    Reply(
                        tools=(
                            call(
                                "save_memory",
                                key="allergy",
                                value="Eva is allergic to nickel: suggest plastic or glass kettles",
                            ),
                        )
                    ),
                    Reply("Noted. From now on I will only suggest kettles of glass or plastic."),
                ),
            ),
            Turn(
                "On second thoughts: forget everything about me.",
                (Reply("Of course. Everything that I remembered about you is being deleted now."),),
            ),
        ),
    ),
)
