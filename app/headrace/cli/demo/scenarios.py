"""What happens in the demo: three tenants, fourteen sessions, each with its own trouble.

A scenario is data: who asks what, and what the model answers, line by line. Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from headrace.cli.demo.llm_server import Reply, ToolCall

Answer = Literal["allow", "reject", "late"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a user, and all that the model says until it is answered."""

    message: str
    replies: tuple[Reply, ...]
    max_iterations: int = 100


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session."""

    session: str
    tenant: str
    user: str
    agent: str
    model: str
    turns: tuple[Turn, ...]
    tools: tuple[str, ...] = ()
    answer: Answer = "allow"
    """What the person says who is asked for confirmation; ``late`` says nothing in time."""
    confirm_timeout: float | None = None
    """Seconds."""
    deny: tuple[str, ...] = ()
    """Tools that a permission rule denies."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Of the working directory, by name."""
    sub_agent: tuple[Reply, ...] = ()
    """What the model of the sub-agent ``researcher`` says."""
    forget: bool = False
    """The user asks to be forgotten at the end: the agent's memory is cleared."""


def _call(name: str, **arguments: str) -> ToolCall:
    return ToolCall(name, arguments)


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
                            _call("get_order", order_id="o-1041"),
                            _call("get_shipment", order_id="o-1041"),
                            _call("get_customer", customer_id="c-17"),
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
                    Reply(tools=(_call("get_order", order_id="o-0988"),)),
                    Reply(
                        "I am sorry about the leak. I will ask for the refund of 118.40 EUR now.",
                        tools=(_call("issue_refund", order_id="o-0988", amount="118.40"),),
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
                    Reply(tools=(_call("get_order", order_id="o-0417"),)),
                    Reply(tools=(_call("issue_refund", order_id="o-0417", amount="118.40"),)),
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
                    Reply(tools=(_call("issue_refund", order_id="o-1007", amount="42.00"),)),
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
                            _call(
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

GLOBEX: Final = (
    Scenario(
        session="monthly-revenue",
        tenant="globex",
        user="finn",
        agent="analyst",
        model="claude-sonnet-4-5",
        tools=("run_sql",),
        turns=(
            Turn(
                "How did revenue develop this year, and did orders keep up?",
                (
                    Reply(
                        "I will read revenue and orders by month.",
                        thinking="Revenue by month and orders by month. The two queries are "
                        "independent. I should compare growth rates, not absolute numbers, and "
                        "mention that November is not complete.",
                        tools=(
                            _call(
                                "run_sql",
                                query="SELECT toStartOfMonth(placed) AS month, sum(amount) AS "
                                "revenue FROM orders WHERE placed >= '2026-01-01' GROUP BY month",
                            ),
                            _call(
                                "run_sql",
                                query="SELECT toStartOfMonth(placed) AS month, count() AS orders "
                                "FROM orders WHERE placed >= '2026-01-01' GROUP BY month",
                            ),
                        ),
                    ),
                    Reply(
                        "Revenue grew every month, from 417 thousand in January to 483 thousand in "
                        "October, which is 16 percent. Orders grew more slowly, from 5,181 to "
                        "5,730, or 11 percent, so the average order became larger: from 80.56 to "
                        "84.38. Most of that difference appeared between May and July. November "
                        "is left out because it is not complete yet. If you like, I can split the "
                        "growth by product line, or show which customers order more than before."
                    ),
                ),
            ),
            Turn(
                "Split it by product line.",
                (
                    Reply(
                        tools=(
                            _call(
                                "run_sql",
                                query="SELECT line, toStartOfMonth(placed) AS month, sum(amount) "
                                "AS revenue FROM orders GROUP BY line, month ORDER BY month",
                            ),
                        )
                    ),
                    Reply(
                        "Kitchen carries the growth: it gained 22 percent since January, while "
                        "garden and office stayed within two percent of where they were. Inside "
                        "kitchen the largest step came in June, with the new range of kettles."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="model-overloaded",
        tenant="globex",
        user="gus",
        agent="analyst",
        model="claude-sonnet-4-5",
        tools=("run_sql",),
        turns=(
            Turn(
                "How many customers ordered twice last month?",
                (
                    Reply(status=503, retry_after=0.4),
                    Reply(
                        tools=(
                            _call(
                                "run_sql",
                                query="SELECT count() FROM (SELECT customer FROM orders GROUP BY "
                                "customer HAVING count() >= 2)",
                            ),
                        )
                    ),
                    Reply("1,204 customers ordered at least twice in October, 8 percent of all."),
                ),
            ),
        ),
    ),
    Scenario(
        session="rates-broken",
        tenant="globex",
        user="hana",
        agent="analyst",
        model="claude-sonnet-4-5",
        tools=("fetch_rates", "cached_rates"),
        turns=(
            Turn(
                "What is October's revenue in dollars?",
                (
                    Reply(tools=(_call("fetch_rates", currency="USD"),)),
                    Reply(
                        "The rate service does not answer; one more try.",
                        tools=(_call("fetch_rates", currency="USD/EUR"),),
                    ),
                    Reply(tools=(_call("cached_rates", currency="USD"),)),
                    Reply(
                        "About 524 thousand dollars, at last Friday's rate of 1.0841. Today's rate "
                        "could not be read: the rate service answers with an error."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="going-in-circles",
        tenant="globex",
        user="ivo",
        agent="analyst",
        model="claude-sonnet-4-5",
        tools=("run_sql",),
        turns=(
            Turn(
                "Find the table with the churn numbers.",
                tuple(
                    Reply(
                        f"Not in {schema}. I will look further.",
                        tools=(
                            _call("run_sql", query=f"SHOW TABLES FROM {schema} LIKE '%churn%'"),
                        ),
                    )
                    for schema in ("sales", "marketing", "finance", "archive")
                ),
                max_iterations=3,
            ),
        ),
    ),
    Scenario(
        session="small-talk",
        tenant="globex",
        user="jo",
        agent="analyst",
        model="claude-haiku-4-5",
        turns=(
            Turn(
                "What can you do?",
                (
                    Reply(
                        "I can read the warehouse for you: revenue, orders, customers and stock, "
                        "by day, line or country. Ask in plain words; I write the SQL, show it on "
                        "request, and say when a number is not complete."
                    ),
                ),
            ),
        ),
    ),
)

_SOURCES: Final = {
    "parser.py": "def parse(line):\n    name, value = line.split('=')\n"
    "    return name.strip(), value.strip()\n",
    "test_parser.py": "from parser import parse\n\n\ndef test_value_with_equals_sign():\n"
    "    assert parse('a=b=c') == ('a', 'b=c')\n",
    "README.md": "# settings\n\nReads `name=value` lines. " + "A value may hold anything. " * 20,
}

INITECH: Final = (
    Scenario(
        session="fix-the-parser",
        tenant="initech",
        user="kim",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "The parser breaks on values with an equals sign. Please fix it.",
                (
                    Reply(
                        "I will read the code, its test and the notes first.",
                        thinking="parser.py, its test, and the README for the intended format. "
                        "All three reads are independent.",
                        tools=(
                            _call("read_file", file_path="parser.py"),
                            _call("read_file", file_path="test_parser.py"),
                            _call("read_file", file_path="README.md"),
                            _call("search_file_content", pattern="parse"),
                        ),
                    ),
                    Reply(
                        "`split('=')` cuts at every equals sign. One cut is enough.",
                        tools=(
                            _call(
                                "replace",
                                file_path="parser.py",
                                old_text="line.split('=')",
                                new_text="line.split('=', 1)",
                            ),
                        ),
                    ),
                    Reply(
                        "Fixed: `parse` now cuts at the first equals sign only, so `a=b=c` gives "
                        "`('a', 'b=c')`, as the test expects. Nothing else was touched."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="shell-denied",
        tenant="initech",
        user="lou",
        agent="coder",
        model="gpt-5-codex",
        deny=("run_shell_command",),
        files=_SOURCES,
        turns=(
            Turn(
                "Clean the build directory.",
                (
                    Reply(tools=(_call("run_shell_command", command="rm -r build"),)),
                    Reply(
                        "I may not run commands here, so the build directory is as it was. You can "
                        "remove it yourself with `rm -r build`."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="ask-the-researcher",
        tenant="initech",
        user="mo",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "Which format do our settings files have?",
                (
                    Reply(
                        "I will let the researcher read the notes.",
                        tools=(
                            _call("agent_researcher", task="Find the format of settings files"),
                        ),
                    ),
                    Reply("Lines of `name=value`, where the value may hold anything."),
                ),
            ),
        ),
        sub_agent=(
            Reply(tools=(_call("read_file", file_path="README.md"),)),
            Reply("README.md: lines of name=value; a value may hold anything."),
        ),
    ),
    Scenario(
        session="list-the-tree",
        tenant="initech",
        user="nia",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "What is in this directory?",
                (
                    Reply(tools=(_call("list_directory", directory_path="."),)),
                    Reply(
                        "A parser of settings, its test, and a README that describes the format."
                    ),
                ),
            ),
        ),
    ),
)

SCENARIOS: Final = ACME + GLOBEX + INITECH
