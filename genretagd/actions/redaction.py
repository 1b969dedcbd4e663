"""Keep secrets out of everything that is logged, stored or shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

from genretagd.plugin_tools import read_secret

MASK: Final = "***"

_USERINFO: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_UNPRINTABLE: Final = re.compile(
    r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Control characters, lone surrogates, and what turns the direction of text: all that could forge a line."""


LEAST_CHARACTERS: Final = 6
"""A shorter part of a secret does not count as one: it would mask half of every text."""


class Redactor:
    """Replaces the secrets that a plugin's options name, in every form they are likely to show up in.

    What it has once known as a secret stays one.

    Parameters
    ----------
    options : mapping
        The options as written: every ``env:NAME`` and ``file:PATH`` in them is a secret.
    environment : mapping
        Where ``env:NAME`` is read.
    """

    def __init__(self, options: Mapping[str, Any], *, environment: Mapping[str, str]) -> None:
        self._places = [text for text in _texts(options) if text.startswith(("env:", "file:"))]
        self._environment = environment
        self._forms: set[str] = set()
        self._secrets: re.Pattern[str] | None = None
        self.learn()

    def learn(self) -> None:
        """Read the secrets anew: a file may hold another one than when it was last read."""
        for place in self._places:
            try:
                self._forms |= _forms(read_secret(place, self._environment).reveal())
            except ValueError:  # what cannot be read cannot be shown either
                continue
        ordered = sorted(self._forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return text without secrets, without passwords in URLs, on one line, printable."""
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        text = _USERINFO.sub(MASK, text)
        return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _forms(secret: str) -> set[str]:
    parts = [line.strip() for line in secret.splitlines()]  # what is printed comes line by line
    if "://" in secret:  # of a URL that is a secret, errors show the parts
        parts += re.split(r"[:/?&=@]+", secret)
    texts = {secret, " ".join(secret.split())}  # errors are told on one line
    texts |= {part for part in parts if len(part) >= LEAST_CHARACTERS}
    return {form for text in texts for form in _encoded(text) if form}


def _encoded(text: str) -> set[str]:
    encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
    quoted = {quote(text, safe=""), quote(text), quote_plus(text)}
    return {text, encoded, json.dumps(text)[1:-1], repr(text)[1:-1], *quoted}
