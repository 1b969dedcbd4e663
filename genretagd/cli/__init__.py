"""The command line: parse, wire, report; the only place that prints or exits."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from genretagd.errors import (
    DISK_TROUBLE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_SOME_FAILED,
    EXIT_USAGE,
    ConfigError,
    GenretagdError,
)

if TYPE_CHECKING:
    from subprocess import Popen

TOLD = DISK_TROUBLE | {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says of a place that was named wrongly, or is not ours to look into, besides."""

LISTENING = frozenset({"tag", "predict"})
"""Commands that are sure to need a worker."""


def main() -> NoReturn:
    """Run the command line and exit with the status that errors.py documents."""
    spare = None
    status: object = EXIT_OK
    try:
        _open_streams()
        spare = _start_ahead(sys.argv[1:])
        from genretagd.cli.app import app

        app(obj=spare)
    except SystemExit as exc:
        status = exc.code
    except KeyboardInterrupt:
        print("genretagd: interrupted", file=sys.stderr)
        status = EXIT_INTERRUPTED
    except (GenretagdError, OSError) as exc:
        status = _told(exc)
    if spare is not None and spare.poll() is None:  # nobody needed it
        spare.kill()
        spare.communicate()
    sys.exit(status if isinstance(status, int) else EXIT_OK)


def _open_streams() -> None:
    """Make the standard streams usable, whatever whoever started us left of them.

    A descriptor that was closed would be given to the next file that is opened, and what is printed
    would be written into that. A name that is not text is escaped instead of ending the run.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _told(error: GenretagdError | OSError) -> int:
    """Print what is wrong, and return the exit status; what is our fault is raised again."""
    if isinstance(error, FileNotFoundError) and error.filename is None:  # of os.getcwd()
        print("genretagd: the directory that you are in is gone, enter another", file=sys.stderr)
        return EXIT_USAGE
    if isinstance(error, OSError):
        if error.errno not in TOLD:
            raise error
        print(f"genretagd: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return EXIT_SOME_FAILED
    for problem in error.problems if isinstance(error, ConfigError) else (error,):
        print(f"genretagd: {problem}", file=sys.stderr)
    return error.exit_status


def _start_ahead(arguments: list[str]) -> Popen[bytes] | None:
    """Start a worker process that imports what it needs while this process imports what it needs."""
    if not arguments or arguments[0] not in LISTENING or {"--help", "-h"} & set(arguments):
        return None
    from genretagd.workers.process import start_process

    return start_process(preload=True)
