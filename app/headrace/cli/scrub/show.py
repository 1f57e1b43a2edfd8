"""Print a trial: counts, and examples that never show a secret whole."""

from __future__ import annotations

from typing import Any, Final

from headrace.cli.output import print_json, print_table, say
from headrace.cli.scrub.trial import Trial
from headrace.streams.scrub.event import Hit
from headrace.streams.scrub.marks import masked
from headrace.streams.scrub.rule import PathRule, Rule
from headrace.streams.scrub.scrubber import Scrubber

MOST_PATHS: Final = 3


def show_rules(scrubber: Scrubber) -> None:
    """Print the rules in order."""
    print_table(
        ("rule", "action", "looks at", "speed"),
        [(rule.name, rule.action, _looks_at(rule), _speed(rule)) for rule in scrubber.rules],
    )


def _looks_at(rule: Rule) -> str:
    if isinstance(rule, PathRule):
        more = len(rule.paths) - MOST_PATHS
        named = [b".".join(path).decode() for path in rule.paths[:MOST_PATHS]]
        return ", ".join([*named, f"{more} more"] if more > 0 else named)
    return "every text, key and number"


def _speed(rule: Rule) -> str:
    slow = not isinstance(rule, PathRule) and rule.hint is None
    return "slow: give it `hints`" if slow else ""


def show(scrubber: Scrubber, trial: Trial) -> None:
    """Print what would have been done."""
    names = list(dict.fromkeys(rule.name for rule in scrubber.rules))
    print_table(
        ("rule", "found", "in events"),
        [(name, trial.hits[name], trial.in_events[name]) for name in names],
        right=("found", "in events"),
    )
    examples = [(name, hit) for name in names for hit in trial.examples.get(name, ())]
    if examples:
        print_table(
            ("rule", "before", "characters", "after"),
            [(name, *_before(hit), hit.mark.decode()) for name, hit in examples],
            right=("characters",),
        )
    for (rule, field), count in sorted(trial.kept.items()):
        say(f"{rule} was found in {field} {count:,} times, which is never rewritten", "yellow")
    if trial.unreadable:
        say(f"{trial.unreadable:,} events cannot be read and would be withheld", "yellow")
    for rule, count in sorted(trial.missed.items()):
        say(
            f"{rule}: its hints let {count:,} pass that its pattern finds: mend `hints`", "bold red"
        )
    say(f"{trial.rewritten:,} of {trial.events:,} events would be rewritten")


def print_lines(scrubber: Scrubber, trial: Trial) -> None:
    """Print the same for a script: a line for each rule, then one for all."""
    for name in dict.fromkeys(rule.name for rule in scrubber.rules):
        print_json(
            {
                "rule": name,
                "found": trial.hits[name],
                "in_events": trial.in_events[name],
                "missed_by_hints": trial.missed[name],
                "examples": [_example(hit) for hit in trial.examples.get(name, ())],
            }
        )
    kept = [{"rule": r, "field": f, "found": n} for (r, f), n in sorted(trial.kept.items())]
    print_json(
        {
            "events": trial.events,
            "rewritten": trial.rewritten,
            "unreadable": trial.unreadable,
            "kept": kept,
        }
    )


def _before(hit: Hit) -> tuple[str, int]:
    text = hit.secret.decode(errors="replace")
    return masked(text), len(text)


def _example(hit: Hit) -> dict[str, Any]:
    before, length = _before(hit)
    return {"before": before, "characters": length, "after": hit.mark.decode()}
