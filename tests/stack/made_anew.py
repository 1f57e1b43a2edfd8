"""A topic that an operator deletes and makes again."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support import wait_until


async def make_anew(kafka: str, topic: str, partitions: int) -> None:
    """Delete a topic and make it again; returns once it is there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
            return all(error[1] == 0 for error in answer.topic_errors)

        await wait_until(made, 30, what=f"{topic} made anew")
    finally:
        await admin.close()
