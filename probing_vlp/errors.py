"""A user's mistake: one line on stderr, exit code 2, no traceback.

Every command runs inside `report_user_errors`; library code raises `UserError` with a message that says what is
wrong, where (file, line or key) and what to do about it.
"""

import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SHOWN = 12
"""Names that an error lists before it only counts them."""


class UserError(Exception):
    """A mistake that the user can mend; the message is one line."""


def listed(names: Sequence[str]) -> str:
    """Names for an error, counted if they are many."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more ({len(names)} in all)" if more > 0 else "")


def check_least(config: Any, least: float, *options: str) -> None:
    """UserError that names the first of these options of a config that is less than `least`.

    A config that is itself an option says in GROUP what its options' names begin with ("fit.").
    """
    for option in options:
        if (value := getattr(config, option)) < least:
            raise UserError(f"--{getattr(config, 'GROUP', '')}{option} {value}: must be {least} or more")


def check_most(config: Any, most: float, *options: str) -> None:
    """UserError that names the first of these options of a config that is more than `most`."""
    for option in options:
        if (value := getattr(config, option)) > most:
            raise UserError(f"--{getattr(config, 'GROUP', '')}{option} {value}: must be {most} or less")


UNWRITABLE = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)
"""What the system says of a path that the user chose badly."""


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Turn `UserError`, a path that cannot be used, a full disk and Ctrl-C into one line and an exit code (130 for
    the last)."""
    try:
        yield
    except UserError as error:
        _leave(" ".join(str(error).split()), 2)
    except UNWRITABLE as error:
        _leave(f"{error.filename}: cannot be used ({error.strerror}); give another path", 2)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP):
            _leave(f"{error.filename}: cannot be used ({error.strerror}); give another path", 2)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        _leave(f"disk full{where}: free some space, then run the same command with --resume", 2)
    except KeyboardInterrupt:
        _leave("interrupted; run the same command with --resume to go on", 130)


def _leave(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(code)
