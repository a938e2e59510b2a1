"""Frames and the handshake, with an engine that errs."""

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from quire_worker.activity import Activity
from quire_worker.main import arguments, serve
from quire_worker.protocol import MAX_FRAME_BYTES, VERSION, Connection, ConnectionClosed, ProtocolError, encode, shake_hands

TOKEN = "0123456789abcdef" * 4
Pair = tuple[socket.socket, Connection]


@pytest.fixture
def pair() -> Iterator[Pair]:
    engine, worker = socket.socketpair()
    with engine, worker:
        engine.settimeout(120)
        yield engine, Connection(worker)


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def test_messages_arrive_whole_however_they_are_cut(pair: Pair) -> None:
    engine, connection = pair
    messages: list[dict[str, Any]] = [{"id": 1, "data": b"x" * 100_000}, {"id": 2}, {"list": [1, -1, None, 2.5, "ä"]}]
    stream = b"".join(encode(message) for message in messages)

    def send() -> None:
        for start in range(0, len(stream), 7001):
            engine.sendall(stream[start : start + 7001])

    threading.Thread(target=send).start()
    assert [connection.receive() for _ in messages] == messages


def test_what_is_sent_can_be_read(pair: Pair) -> None:
    engine, connection = pair
    connection.send({"path": ValueError("told as text")})
    assert msgpack.unpackb(engine.recv(4096)[4:]) == {"path": "told as text"}


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x00\x00", "within the length"),
        (b"\x00\x00\x00\x10\x81", "within a frame"),
        (b"\x00\x00\x00\x05", "within a frame"),
        (b"\x00\x00\x00\x00", "says it has 0 bytes"),
        (struct.pack(">I", MAX_FRAME_BYTES + 1), "are allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", "are allowed"),
        (framed(b"\xc1"), "no msgpack"),
        (framed(b"\x81\xa1a"), "no msgpack"),
        (framed(b"\x01\x02"), "no msgpack"),
        (framed(b"\x91" * 5000), "no msgpack"),
        (framed(b"\xdd\xff\xff\xff\xff"), "no msgpack"),
        (framed(b"\x93\x01\x02\x03"), "expected a map"),
        (framed(b"\x81\x01\x02"), "no msgpack|expected a map"),
    ],
)
def test_nonsense_is_refused(pair: Pair, sent: bytes, reason: str) -> None:
    engine, connection = pair
    engine.sendall(sent)
    engine.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError, match=reason):
        connection.receive()


def test_the_end_of_the_stream_is_no_nonsense(pair: Pair) -> None:
    engine, connection = pair
    engine.close()
    with pytest.raises(ConnectionClosed):
        connection.receive()


def test_a_message_above_the_limit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="above the limit"):
        encode({"data": bytes(MAX_FRAME_BYTES)})


@pytest.mark.parametrize(
    ("welcome", "token", "reason"),
    [
        ({"event": "welcome", "protocol": VERSION, "token": "f" * 32}, TOKEN, "half of the token"),
        ({"event": "welcome", "protocol": VERSION}, TOKEN, "half of the token"),
        ({"id": 1, "call": "open"}, TOKEN, "half of the token"),
        ({"event": "welcome", "protocol": VERSION + 1, "token": TOKEN[32:]}, TOKEN, "speaks protocol version 2"),
        ({"event": "welcome", "protocol": VERSION, "token": ""}, "", "must have 64 characters"),
    ],
)
def test_strangers_are_refused(pair: Pair, welcome: dict[str, Any], token: str, reason: str) -> None:
    engine, connection = pair
    engine.sendall(encode(welcome))
    with pytest.raises(ProtocolError, match=reason):
        shake_hands(connection, token, 1)


def test_each_side_shows_its_half_of_the_token(pair: Pair) -> None:
    engine, connection = pair
    engine.sendall(encode({"event": "welcome", "protocol": VERSION, "token": TOKEN[32:]}))
    shake_hands(connection, TOKEN, 7)
    assert msgpack.unpackb(engine.recv(4096)[4:]) == {"event": "hello", "protocol": VERSION, "token": TOKEN[:32], "pid": 7}


def test_a_worker_ends_with_its_engine_and_at_nonsense() -> None:
    for last, status in ((b"", 0), (framed(b"\x81\xa2id\x01"), 70), (b"\xff\xff\xff\xff", 70)):
        engine, worker = socket.socketpair()
        with engine, worker:
            engine.sendall(encode({"event": "welcome", "protocol": VERSION, "token": TOKEN[32:]}) + last)
            engine.shutdown(socket.SHUT_WR)
            assert serve(worker, TOKEN) == status


def test_heartbeats_tell_a_compiler_at_once() -> None:
    activity, told = Activity(), []
    heard = threading.Event()

    def send(message: Any) -> None:
        told.append(message)
        heard.set()

    activity.idle()
    activity.beat(send, 60)
    with activity.during("executing", 5), activity.during("compiling"):
        assert heard.wait(10)
    assert {**told[0], "seconds": 0} == {"event": "heartbeat", "phase": "compiling", "step": 5, "seconds": 0}


@pytest.mark.parametrize("given", [["--parent", "1"], ["--parent", "1", "--socket", "a", "--port", "2"], ["--socket", "a"]])
def test_arguments_that_do_not_fit(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(given)
