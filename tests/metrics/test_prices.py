from __future__ import annotations

import pytest

from headrace.streams.metrics import prices

PRICES = prices.load()


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("gpt-5", 1.25),
        ("gpt-5-2025-08-07", 1.25),
        ("gpt-5-mini-2025-08-07", 0.25),
        ("gpt-4o-2024-08-06", 2.5),
        ("claude-sonnet-4-5-20250929", 3.0),
        ("anthropic/claude-opus-4-5", 5.0),
        ("claude-opus-5-5", 4.0),
    ],
)
def test_a_model_has_its_own_price(model: str, prompt: float) -> None:
    price = PRICES.of(model)
    assert price is not None
    assert price.prompt == prompt


@pytest.mark.parametrize(
    "model",
    ["gpt-5.4", "gpt-5.5-pro", "gpt-5-pro", "gpt-4o-audio-preview", "claude-opus-4-20250514"],
)
def test_a_model_whose_price_is_not_known_has_none_of_its_family(model: str) -> None:
    assert PRICES.of(model) is None
