"""What each detector finds, and what it leaves alone; and that its hint lets nothing pass."""

from __future__ import annotations

import json

import orjson
import pytest

from headrace.streams.scrub import checks, detectors
from tests.scrub.planted import FOUND, LEFT, Planted
from tests.scrub.support import detecting, event, scrubbed, without_hints

POSITIVES = [
    pytest.param(name, one, id=f"{name}-{n}")
    for name, some in FOUND.items()
    for n, one in enumerate(some)
]
NEGATIVES = [
    pytest.param(name, one, id=f"{name}-{n}")
    for name, some in LEFT.items()
    for n, one in enumerate(some)
]


def test_every_detector_has_examples_of_both() -> None:
    assert set(FOUND) == set(LEFT) == set(detectors.ALL)


@pytest.mark.parametrize(("name", "planted"), POSITIVES)
def test_it_is_found_and_nothing_else_is_taken(name: str, planted: Planted) -> None:
    done = scrubbed(detecting(name), event({"text": planted.text}))
    text = orjson.loads(done)["data"]["text"]
    assert text == planted.text.replace(planted.secret, f"[redacted:{name}]")
    assert planted.secret.encode() not in done


@pytest.mark.parametrize(("name", "text"), NEGATIVES)
def test_it_is_left_alone(name: str, text: str) -> None:
    value = event({"text": text, text: 1})
    by = detecting(name)
    assert scrubbed(by, value) == without_hints(by, value) == value


@pytest.mark.parametrize(("name", "planted"), POSITIVES)
@pytest.mark.parametrize("place", ["value", "key", "nested", "ascii", "escaped", "agent"])
def test_wherever_and_however_it_is_written(name: str, planted: Planted, place: str) -> None:
    text = planted.text
    data = {
        "key": {text: 1},
        "nested": {"args": [{"deep": [1, None, {"text": text}]}, True]},
    }.get(place, {"text": text})
    value = event(data, agent=text) if place == "agent" else event(data)
    if place == "ascii":
        value = json.dumps(orjson.loads(value), indent=1).replace("/", "\\/").encode()
    elif place == "escaped":
        spelt = "".join(f"\\u{ord(letter):04x}" for letter in text)
        value = event({"text": "HERE"}).replace(b"HERE", spelt.encode())
    by = detecting(name)
    done = scrubbed(by, value)
    said = json.dumps(orjson.loads(done), ensure_ascii=False)
    assert f"[redacted:{name}]" in said
    assert json.dumps(planted.secret, ensure_ascii=False)[1:-1] not in said
    assert done == without_hints(by, value)


@pytest.mark.parametrize(
    ("name", "planted"),
    # A key that was cut goes on to the end.
    [one for one in POSITIVES if one.id != "private-key-2"],
)
def test_twice_the_same_is_found_twice(name: str, planted: Planted) -> None:
    value = event({"text": f"{planted.text} and {planted.text}"})
    assert scrubbed(detecting(name), value).count(b"[redacted:") == 2


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("beside", [*"\x1f\0\b\n\t\r\"\\/'(;=é🙂x1", "\\n", '\\"', "\u2028"])
def test_a_hint_lets_nothing_pass_whatever_stands_beside(name: str, beside: str) -> None:
    by = detecting(name)
    for one in FOUND[name]:
        for text in (beside + one.text + beside, beside + one.secret + beside):
            plain = event({"text": text})
            for value in (plain, json.dumps(orjson.loads(plain)).encode()):
                assert scrubbed(by, value) == without_hints(by, value)


@pytest.mark.parametrize("number", [4111111111111111, 378282246310005])
def test_a_number_is_looked_at_too(number: int) -> None:
    done = orjson.loads(scrubbed(detecting("card"), event({"n": number, "m": 17})))
    assert done["data"] == {"n": "[redacted:card]", "m": 17}


def test_all_detectors_at_once_find_every_secret() -> None:
    by = detecting("secrets", "card", "iban", "email", "phone", "ip")
    texts = [one.text for some in FOUND.values() for one in some]
    secrets = [one.secret for some in FOUND.values() for one in some]
    done = json.dumps(orjson.loads(scrubbed(by, event({"texts": texts}))), ensure_ascii=False)
    assert [s for s in secrets if json.dumps(s, ensure_ascii=False)[1:-1] in done] == []


def test_entropy_is_bits_a_character() -> None:
    assert checks.entropy("aaaa") == 0
    assert checks.entropy("abcd") == 2
