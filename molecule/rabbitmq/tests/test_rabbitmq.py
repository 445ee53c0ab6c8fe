# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""RabbitMQ as its clients see it."""

from __future__ import annotations

import pika
import pytest


@pytest.fixture
def connect(server, host):
    """Function that opens an AMQP connection."""
    with server.tunnel("tren-rabbitmq", 5672) as port:
        def open_connection(user, password, vhost="trenova"):
            return pika.BlockingConnection(pika.ConnectionParameters(
                "127.0.0.1", port, vhost, pika.PlainCredentials(user, password), connection_attempts=3,
                socket_timeout=10))
        yield open_connection


def test_message_goes_through_the_applications_exchange(connect, secrets):
    connection = connect("trenova", secrets["trenova_rabbitmq_password"])
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("trenova", "trenovas", b"hello", pika.BasicProperties(delivery_mode=2), mandatory=True)
    _method, _properties, body = channel.basic_get("trenovas", auto_ack=True)
    assert body == b"hello"
    connection.close()


@pytest.mark.parametrize(("user", "password"), [("guest", "guest"), ("user", "password"), ("trenova", "guessed")])
def test_default_and_wrong_passwords_are_refused(connect, user, password):
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        connect(user, password)


def test_limits_are_those_of_the_container(host):
    """The watermark is absolute: a share would be taken of the host's memory."""
    asked = "docker exec tren-rabbitmq rabbitmqctl -q eval 'vm_memory_monitor:get_vm_memory_high_watermark().'"
    assert "absolute" in host.check_output(asked)


def test_change_restarts_rabbitmq_alone_and_keeps_messages(server, connect, host, secrets):
    channel = connect("trenova", secrets["trenova_rabbitmq_password"]).channel()
    channel.basic_publish("trenova", "trenovas", b"kept", pika.BasicProperties(delivery_mode=2))
    before = host.check_output("docker inspect --format '{{.Config.Hostname}}' tren-rabbitmq")
    with server.change({"rabbitmq_settings_extra": {"channel_max": 500}}, restarts=["tren-rabbitmq"]):
        assert host.check_output("docker inspect --format '{{.Config.Hostname}}' tren-rabbitmq") == before
        with server.tunnel("tren-rabbitmq", 5672) as port:
            credentials = pika.PlainCredentials("trenova", secrets["trenova_rabbitmq_password"])
            connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, "trenova", credentials))
            assert connection.channel().basic_get("trenovas", auto_ack=True)[2] == b"kept"
