"""For tests of programs that use headrace: a producer that keeps events instead of sending them.

::

    from headrace.testing import InMemoryProducer

    def test_my_agent():
        producer = InMemoryProducer(tenant="acme")
        run_my_agent(on_event=producer.hook(session="s-1"))
        assert [event.type for event in producer.events()] == ["turn_begin", "turn_end"]
"""

from headrace.testing.memory import InMemoryProducer

__all__ = ["InMemoryProducer"]
