"""What this process is doing, told to the engine by heartbeats: so that it can tell a compiler at work from a worker that hangs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

Phase = Literal["starting", "loading", "compiling", "executing", "idle"]

INTERVAL_S = 2.0


class Activity:
    """The phase that the worker is in, since when, and in which step."""

    def __init__(self) -> None:
        self._phase: Phase = "starting"
        self._step: int | None = None
        self._since = time.monotonic()
        self._changed = threading.Event()

    @contextmanager
    def during(self, phase: Phase, step: int | None = None) -> Iterator[None]:
        """A part of the work; the phase around it comes back after it. `step` defaults to the one around it."""
        before = (self._phase, self._step)
        self._enter(phase, self._step if step is None else step)
        try:
            yield
        finally:
            self._enter(*before)

    def idle(self) -> None:
        """The worker has started and waits for calls."""
        self._enter("idle", None)

    def heartbeat(self) -> dict[str, Any]:
        return {
            "event": "heartbeat",
            "phase": self._phase,
            "seconds": time.monotonic() - self._since,
            **({} if self._step is None else {"step": self._step}),
        }

    def beat(self, send: Callable[[Mapping[str, Any]], None], interval_s: float = INTERVAL_S) -> None:
        """Sends heartbeats from a thread of their own, and one at once when a compiler begins or ends."""

        def run() -> None:
            while True:
                self._changed.wait(interval_s)
                self._changed.clear()
                try:
                    send(self.heartbeat())
                except OSError:
                    return

        threading.Thread(target=run, name="heartbeat", daemon=True).start()

    def _enter(self, phase: Phase, step: int | None) -> None:
        news = "compiling" in (phase, self._phase)
        self._phase, self._step, self._since = phase, step, time.monotonic()
        if news:
            self._changed.set()


activity = Activity()
"""Of this process, which is one worker. A runner that compiles within a step does so in `with activity.during("compiling")`."""
