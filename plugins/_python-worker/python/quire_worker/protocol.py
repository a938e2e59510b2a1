"""The wire between the engine and this worker: frames of msgpack over one stream socket, each after its length in four big-endian bytes."""

import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any

import msgpack

VERSION = 1
MAX_FRAME_BYTES = 16 << 20
TOKEN_LENGTH = 64
_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """The other side speaks another language, or none. The worker ends."""


class ConnectionClosed(ProtocolError):
    """The other side has gone."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame. What msgpack does not know travels as its text. Raises ProtocolError for a message above the limit."""
    body: bytes = msgpack.packb(message, default=str)
    if len(body) > MAX_FRAME_BYTES:
        raise ProtocolError(f"A message of {len(body)} bytes is above the limit of {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class Connection:
    """A stream of messages both ways. One thread receives; any may send."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._received = bytearray()
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """A message that is encoded already."""
        with self._sending:
            self._stream.sendall(frame)

    def receive(self) -> dict[str, Any]:
        """The next message. Raises ConnectionClosed; ProtocolError for a frame that is cut off, too long, or no map."""
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size, "the length of a frame"))
        if not 0 < length <= MAX_FRAME_BYTES:
            raise ProtocolError(f"A frame says it has {length} bytes; 1 to {MAX_FRAME_BYTES} are allowed")
        try:
            message = msgpack.unpackb(self._take(length, "a frame"))
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"A frame of {length} bytes is no msgpack: {error!r}") from error
        if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
            raise ProtocolError(f"A frame holds a {type(message).__name__}, expected a map with names as keys")
        return message

    def _take(self, count: int, what: str) -> bytes:
        received = self._received
        while len(received) < count:
            chunk = self._stream.recv(max(65536, count - len(received)))
            if not chunk:
                if received or what == "a frame":
                    raise ProtocolError(f"The connection ended within {what}")
                raise ConnectionClosed("The engine closed the connection")
            received += chunk
        taken = bytes(received[:count])
        del received[:count]
        return taken


def shake_hands(connection: Connection, token: str, pid: int) -> None:
    """
    Each side shows its half of the secret, so that neither speaks to a stranger. Raises ProtocolError for a token that is
    malformed, a stranger, or an engine of another protocol version.
    """
    if len(token) != TOKEN_LENGTH:
        raise ProtocolError(f"The token must have {TOKEN_LENGTH} characters, got {len(token)}")
    connection.send({"event": "hello", "protocol": VERSION, "token": token[: TOKEN_LENGTH // 2], "pid": pid})
    answer = connection.receive()
    if answer.get("event") != "welcome" or answer.get("token") != token[TOKEN_LENGTH // 2 :]:
        raise ProtocolError("The engine did not show its half of the token")
    if answer.get("protocol") != VERSION:
        raise ProtocolError(f"The engine speaks protocol version {answer.get('protocol')!r}, this worker {VERSION}")
