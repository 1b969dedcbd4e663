"""Whether a line is a gitignore-style pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

NO_PATTERN: Final = (re.error, ValueError, OverflowError, RecursionError)
"""What pathspec raises of a line that is no pattern."""


def pattern_problem(line: str) -> str | None:
    """Return why a line is no gitignore-style pattern, or None where it is one, empty or a comment."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - most people have no patterns

    try:
        GitIgnoreSpec.from_lines([line])
    except NO_PATTERN as exc:
        return str(exc)
    return None


def all_patterns(lines: Sequence[str]) -> str | None:
    """Return what is wrong with the first of some lines that is no pattern; the check of an option."""
    for line in lines:
        problem = pattern_problem(line)
        if problem:
            return f'must be gitignore-style patterns, which "{line}" is none of ({problem})'
    return None
