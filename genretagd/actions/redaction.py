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


class Redactor:
    """Replaces the secrets that a plugin's options name, in every form they are likely to show up in.

    Parameters
    ----------
    options : mapping
        The options as written: every ``env:NAME`` and ``file:PATH`` in them is a secret.
    environment : mapping
        Where ``env:NAME`` is read.
    """

    def __init__(self, options: Mapping[str, Any], *, environment: Mapping[str, str]) -> None:
        forms: set[str] = set()
        for text in _texts(options):
            if text.startswith(("env:", "file:")):
                try:
                    forms.update(_forms(read_secret(text, environment).reveal()))
                except ValueError:  # what cannot be read cannot be shown either
                    continue
        ordered = sorted(forms, key=len, reverse=True)
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
    encoded = base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode("ascii")
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), encoded}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    if "://" in secret:  # of a URL that is a secret, errors show the parts
        forms |= {part for part in re.split(r"[:/?&=@]+", secret) if len(part) >= 6}
    return {form for form in forms if form}
