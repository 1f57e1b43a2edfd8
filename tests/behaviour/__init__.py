"""Behaviour that must be the same on the embedded broker and on a real Apache Kafka.

Write the tests once, as methods of a base class without the prefix ``Test``, asking for the fixture
``kafka`` (bootstrap servers). Then inherit twice: unmarked for the embedded broker, and marked for
the real one. The marker decides what the fixture gives::

    class RecordsBehaviour:
        async def test_a_record_comes_back(self, kafka: str) -> None:
            ...

    class TestRecords(RecordsBehaviour):
        '''On the embedded broker: `make test`.'''

    @pytest.mark.kafka
    class TestRecordsOnKafka(RecordsBehaviour):
        '''On a real Apache Kafka: `make test-kafka`.'''

``@pytest.mark.kafka3`` gives a cluster of three brokers instead. A test that kills brokers asks for
``kafka_cluster`` (one of its own) or ``kafka3`` (three, shared by a module), see
``tests/stack/real_kafka.py``. A behaviour that the embedded broker cannot have (it forgets at a
restart, has no transactions) is written in the marked class alone.

The brokers are shared by the whole session: use topic prefixes of your own
(``Settings(topic_prefix=support.unique() + ".")``).
"""
