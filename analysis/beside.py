"""Work in a process beside this one, for what takes long and shares nothing with the rest."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from probing_vlp.errors import UserError

T = TypeVar("T")


class Beside(Generic[T]):
    """`work()` begun in a forked process, which sees all that was made until now; its result must pickle."""

    def __init__(self, work: Callable[[], T]) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_do, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> T:
        """Wait for it.  A UserError there is one here; any other error is a RuntimeError with its traceback."""
        try:
            good, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError("a process was killed; is there enough memory?") from None
        finally:
            self._process.join()
        if good:
            made: T = value
            return made
        raise UserError(value[0]) if value[1] else RuntimeError(value[0])


def _do(pipe: Connection, work: Callable[[], Any]) -> None:
    try:
        answer = (True, work())
    except UserError as error:
        answer = (False, (str(error), True))
    except Exception:
        answer = (False, (traceback.format_exc(), False))
    pipe.send(answer)
    pipe.close()
