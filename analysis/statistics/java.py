"""The parts of pycocoevalcap that run on Java: the PTB tokenizer, METEOR and SPICE, each quiet and cleaned up after.

`JavaError` says in a few words why one of them cannot be had on this machine; the caller reports it and goes on.
"""

import atexit
import contextlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.spice.spice import Spice
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

Texts = Mapping[int, list[str]]
SPICE_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
# SPICE's cache writes through reflection into these, which Java 16 and later allows only when told to
_OPENED = ("java.lang", "java.math", "java.util", "java.util.concurrent", "java.net", "java.text")
# Without it Java reads captions in the locale's encoding, which under LC_ALL=C is ASCII
_UTF8 = "-Dfile.encoding=UTF-8"


class JavaError(Exception):
    """Why something that needs Java is unavailable."""


class MeteorScores(NamedTuple):
    """METEOR's corpus score, the score of each image (n,), and the sufficient statistics of each image (n, 23)."""

    corpus: float
    images: np.ndarray
    statistics: np.ndarray


def ptb_tokenize(captions: Mapping[int, Sequence[str]]) -> dict[int, list[str]]:
    """Captions as pycocoevalcap's metrics expect them: PTB tokens, lower case, no punctuation, joined by blanks."""
    # a line break inside a caption would shift every caption after it to a wrong image
    rows = {key: [{"caption": " ".join(text.split())} for text in texts] for key, texts in captions.items()}
    with _java() as log:
        found: dict[int, list[str]] = PTBTokenizer().tokenize(rows)
        if [len(found.get(key, ())) for key in captions] != [len(texts) for texts in captions.values()]:
            raise JavaError(f"the PTB tokenizer failed ({_last_line(log)})")
    return found


def start_meteor() -> "_RecordingMeteor":
    """METEOR's process: it loads tables for seconds, so it starts early and serves every dump until `close_meteor`."""
    if not _running:
        with _java():
            _running.append(_RecordingMeteor())
    return _running[0]


@atexit.register
def close_meteor() -> None:
    """End METEOR's process, if there is one."""
    while _running:
        _running.pop().close()


def meteor(references: Texts, captions: Texts) -> MeteorScores:
    """METEOR 1.5 of one caption an image, in the order of `captions`."""
    scorer = start_meteor()
    scorer.lines.clear()
    try:
        corpus, images = scorer.compute_score(references, captions)
    except (OSError, ValueError) as error:
        complaint = scorer.complaint()
        close_meteor()
        raise JavaError(f"METEOR's Java process failed ({complaint or error})") from None
    return MeteorScores(corpus, np.array(images), np.array([line.split() for line in scorer.lines], float))


def spice(references: Texts, captions: Texts) -> np.ndarray:
    """SPICE's F of each image (n,), in the order of `captions`."""
    folder = Path(inspect.getfile(Spice)).parent / "lib"
    missing = [jar for jar in SPICE_JARS if not (folder / jar).is_file()]
    if missing:
        raise JavaError(f"{' and '.join(missing)} not installed in pycocoevalcap/spice/lib")
    opened = _OPENED if java_version() >= 16 else ()
    with _java(*(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in opened)) as log:
        try:
            _, scores = Spice().compute_score(references, captions)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise JavaError(f"SPICE's Java process failed ({_last_line(log) or error})") from None
    by_image = dict(zip(sorted(captions), (score["All"]["f"] for score in scores), strict=True))
    return np.array([by_image[key] for key in captions])


def java_version() -> int:
    """Major version of the Java on PATH: 8, 17, ...; JavaError if there is none or it does not run."""
    if shutil.which("java") is None:
        raise JavaError("no java on PATH; install a Java runtime, version 8 or later")
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True, timeout=60).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaError(f"java does not run ({' '.join(str(error).split())})") from None
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


class _RecordingMeteor(Meteor):
    """pycocoevalcap's METEOR, keeping the statistics of each image, and closing its process when told to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__()

    def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
        # "|||" parts the fields of METEOR's protocol
        line: str = super()._stat(hypothesis_str, [text.replace("|||", "") for text in reference_list])
        self.lines.append(line)
        return line

    def complaint(self) -> str:
        """End the process; the last line that it wrote on stderr."""
        self.meteor_p.kill()
        return _last_line(self.meteor_p.stderr)

    def close(self) -> None:
        """End the process and its pipes; an error leaves pycocoevalcap's lock taken, and its __del__ would wait."""
        if self.lock.locked():
            self.lock.release()
        with contextlib.suppress(OSError):
            self.meteor_p.stdin.close()
        self.meteor_p.kill()
        self.meteor_p.wait()
        self.meteor_p.stdout.close()
        self.meteor_p.stderr.close()


_running: list[_RecordingMeteor] = []


@contextlib.contextmanager
def _java(*options: str) -> Iterator[IO[bytes]]:
    """Java's options in the environment; what child processes write on stdout and stderr goes to the yielded file."""
    java_version()
    before = os.environ.get("JAVA_TOOL_OPTIONS")
    os.environ["JAVA_TOOL_OPTIONS"] = " ".join(filter(None, (before, _UTF8, *options)))
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as log:
        try:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield log
        except PermissionError as error:
            raise JavaError(f"{error.filename or error}: no right to write there") from None
        finally:
            sys.stdout.flush()
            for number, copy in enumerate(saved, 1):
                os.dup2(copy, number)
                os.close(copy)
            if before is None:
                del os.environ["JAVA_TOOL_OPTIONS"]
            else:
                os.environ["JAVA_TOOL_OPTIONS"] = before


def _last_line(file: IO[bytes]) -> str:
    if file.seekable():
        file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
