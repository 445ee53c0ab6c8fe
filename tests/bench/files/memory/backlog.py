# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Publishes to RabbitMQ until it holds publishers back and says why, or time is up. The password is on stdin.

    backlog.py HOST VHOST USER SECONDS QUEUE_TYPE

Consumers that take messages and do not acknowledge them keep these in memory, as workers do that hang.
"""

import sys
import threading
import time

import pika

HOST, VHOST, USER = sys.argv[1:4]
ENDS = time.monotonic() + float(sys.argv[4])
PASSWORD = sys.stdin.readline().strip()
#: Just above 4 KiB: such messages lie in a store of their own, whose index is in memory.
BODY = b"x" * 4608
KIND = sys.argv[5]
QUEUE = f"bench-{KIND}"
CONSUMERS = 4
reasons = []
taken = [0]


def connection():
    """A connection that notes when the server blocks publishers."""
    opened = pika.BlockingConnection(pika.ConnectionParameters(
        HOST, virtual_host=VHOST, credentials=pika.PlainCredentials(USER, PASSWORD), heartbeat=0,
        blocked_connection_timeout=600))
    opened.add_on_connection_blocked_callback(lambda _connection, frame: reasons.append(frame.method.reason))
    return opened


def hang():
    """A consumer that never acknowledges."""
    channel = connection().channel()

    def take(*_arguments):
        taken[0] += 1
    channel.basic_consume(QUEUE, take)
    channel.start_consuming()


publisher = connection()
channel = publisher.channel()
channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": KIND})
for _number in range(CONSUMERS):
    threading.Thread(target=hang, daemon=True).start()
published = 0
try:
    while time.monotonic() < ENDS and not reasons:
        for _number in range(50):
            channel.basic_publish("", QUEUE, BODY)
        published += 50
        publisher.process_data_events()
finally:
    held = reasons[0] if reasons else "no"
    print(f"{KIND}: {published} messages published, {taken[0]} taken; held back: {held}", flush=True)
