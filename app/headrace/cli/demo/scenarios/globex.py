"""A data analyst: several queries in a turn, a model that is overloaded, tools that fail."""

from __future__ import annotations

from typing import Final

from headrace.cli.demo.llm_server import Reply
from headrace.cli.demo.scenarios.scenario import Scenario, Turn, call

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
                            call(
                                "run_sql",
                                query="SELECT toStartOfMonth(placed) AS month, sum(amount) AS "
                                "revenue FROM orders WHERE placed >= '2026-01-01' GROUP BY month",
                            ),
                            call(
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
                            call(
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
                            call(
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
                    Reply(tools=(call("fetch_rates", currency="USD"),)),
                    Reply(
                        "The rate service does not answer; one more try.",
                        tools=(call("fetch_rates", currency="USD/EUR"),),
                    ),
                    Reply(tools=(call("cached_rates", currency="USD"),)),
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
                        tools=(call("run_sql", query=f"SHOW TABLES FROM {schema} LIKE '%churn%'"),),
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
