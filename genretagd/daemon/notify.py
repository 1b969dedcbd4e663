"""Tell systemd how we are: the ``sd_notify`` protocol, one datagram per message (see sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Supervisor:
    """Whoever started us and wants to know; nothing happens where nobody does.

    Parameters
    ----------
    environment : mapping
        ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` as systemd sets them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.ping_seconds: float | None = None
        microseconds = environment.get("WATCHDOG_USEC", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        if self._address and for_us and microseconds.isdecimal() and int(microseconds):
            self.ping_seconds = int(microseconds) / 1e6 / 2

    def ready(self, status: str) -> None:
        """Say that the start is complete."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """Say that the configuration is being read again; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1e6)}")

    def status(self, status: str) -> None:
        """Say in a few words how we are."""
        self._send(f"STATUS={status}")

    def ping(self) -> None:
        """Say that we are alive."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address)
            channel.send("\n".join(lines).encode("utf-8", "replace"))
