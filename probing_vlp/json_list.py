"""One JSON list of any size, entry by entry: a block of text in memory, and never the list.

What it refuses, `json.loads` refuses, and in its words; the line is counted from the beginning of the file.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from probing_vlp.errors import UserError

BLOCK = 1 << 20
"""Characters read at a time."""
LONGEST = 1 << 24
"""Characters of one entry: what is longer is taken for an entry that never ends."""
_BLANKS = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def json_entries(file: TextIO, name: str) -> Iterator[Any]:
    """The entries of the list that `file` holds.  Raises UserError with `name` and the line where it is no list, cut,
    or followed by anything."""
    reader = _Reader(file, name)
    if reader.sign() != "[":
        reader.refuse("Expecting '['")
    reader.take()
    while reader.sign() != "]":
        yield reader.value()
        if reader.sign() not in (",", "]"):
            reader.refuse("Expecting ',' delimiter")
        if reader.sign() == ",":
            reader.take()
            if reader.sign() == "]":
                reader.refuse("Illegal trailing comma before end of array")
    reader.take()
    if reader.sign():
        reader.refuse("Extra data")


class _Reader:
    """A place in a text of which one block is held."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.file, self.name = file, name
        self.text, self.place, self.line = "", 0, 1

    def sign(self) -> str:
        """The next character that is no blank, not taken; empty at the end of the file."""
        while True:
            if blanks := _BLANKS.match(self.text, self.place):
                self._move(blanks.end())
            if self.place < len(self.text) or not self._more():
                return self.text[self.place : self.place + 1]

    def take(self) -> None:
        """Go past that character."""
        self.place += 1

    def value(self) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                found, end = _decode(self.text, self.place)
            except json.JSONDecodeError as error:
                line = self.line + self.text.count("\n", self.place, error.pos)
                if len(self.text) - self.place > LONGEST or not self._more():
                    self.refuse(error.msg, line)
            except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
                self.refuse(str(error).split(";")[0])
            else:
                # a number may go on in the next block: "3", "3.", "3e+"
                if len(self.text) - end > 3 or not self._more():
                    self._move(end)
                    return found

    def refuse(self, what: str, line: int = 0) -> NoReturn:
        """UserError that names this line, or another."""
        raise UserError(f"{self.name}, line {line or self.line}: not JSON ({what}); a COCO results file is one list")

    def _move(self, place: int) -> None:
        self.line += self.text.count("\n", self.place, place)
        self.place = place

    def _more(self) -> bool:
        """Read the next block; False at the end of the file."""
        if block := self.file.read(BLOCK):
            self.text, self.place = self.text[self.place :] + block, 0
        return bool(block)
