"""The worker process: finds the engine, shakes hands, answers its calls. `__main__` has tied it to the engine's life before."""

import argparse
import os
import socket
import sys

from .activity import activity
from .protocol import Connection, ConnectionClosed, ProtocolError, shake_hands
from .session import Session


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("quire_worker", description="One rank of a model, for the engine that starts it.")
    parser.add_argument("--socket", help="path of the engine's unix socket")
    parser.add_argument("--host", default="127.0.0.1", help="the engine's loopback address, with --port")
    parser.add_argument("--port", type=int, help="the engine's port, instead of --socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the engine")
    parsed = parser.parse_args(given)
    if (parsed.socket is None) == (parsed.port is None):
        parser.error("give either --socket or --port")
    return parsed


def connect(path: str | None, host: str, port: int | None) -> socket.socket:
    if path is not None:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(path)
        return stream
    stream = socket.create_connection((host, port or 0))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def serve(stream: socket.socket, token: str) -> int:
    """Until the engine says `shutdown`, or goes. The exit status."""
    try:
        connection = Connection(stream)
        shake_hands(connection, token, os.getpid())
        activity.idle()
        activity.beat(connection.send)
        Session(connection).run()
    except (ConnectionClosed, BrokenPipeError, ConnectionResetError):
        return 0
    except ProtocolError as error:
        print(f"quire_worker: {error}", file=sys.stderr)
        return 70
    return 0
