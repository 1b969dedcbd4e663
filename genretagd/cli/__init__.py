"""The command line: parse, wire, report; the only place that prints or exits."""

from __future__ import annotations

import sys
from typing import NoReturn

from genretagd.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED, ConfigError, GenretagdError


def main() -> NoReturn:
    """Run the command line and exit with the status that errors.py documents."""
    from genretagd.cli.app import app

    # A name that is not text reaches the terminal escaped instead of ending the run.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    status: object = EXIT_OK
    try:
        app(standalone_mode=True)
    except SystemExit as exc:
        status = exc.code
    except KeyboardInterrupt:
        print("genretagd: interrupted", file=sys.stderr)
        status = EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        status = EXIT_SOME_FAILED
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"genretagd: {problem}", file=sys.stderr)
        status = exc.exit_status
    except GenretagdError as exc:
        print(f"genretagd: {exc}", file=sys.stderr)
        status = exc.exit_status
    sys.exit(status if isinstance(status, int) else EXIT_OK)
