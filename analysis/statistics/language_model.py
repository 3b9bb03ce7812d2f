"""The language model behind the perplexities: estimated from human captions once and kept, or a file of the user's.

Ours is made by `ngram_lm` from tokenised captions and kept as an ARPA file in the cache folder, under a hash of them;
COCO's own captions need not be read for that, their package's version names them.  A file (`--lm`) is an ARPA file or
one of KenLM's binary files: captions are put to it in the words of `data.text.tokenize`, lower case and without
punctuation, so its text should have been prepared likewise.  Its order must be the expected one, 3 as in Ma et al. 2023
section 4.1 unless another is asked for: perplexities of different orders do not compare.
"""

import functools
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import kenlm

from analysis.context import Context
from analysis.statistics import ngram_lm
from analysis.statistics.ngram_lm import FALLBACK, arpa_lines, estimate
from probing_vlp.data import text
from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes, sha256_file

ESTIMATOR = "modified Kneser-Ney trigram 1"  # part of the cache key: raise the number when estimates change


class LanguageModel(NamedTuple):
    """A KenLM model, what is to be said about it, and a name that no other model has."""

    model: Any
    note: str
    name: str


def language_model(context: Context) -> LanguageModel:
    """The model of a context, loaded once."""
    return context.once("language model", lambda: _load(context))


def _load(context: Context) -> LanguageModel:
    if context.lm is not None:
        return read_language_model(context.lm, context.lm_order)
    if not context.corpus_name:
        return language_model_of(context.corpus(), context.cache)
    key = "\n".join([ESTIMATOR, context.corpus_name, *map(_code, (ngram_lm, text))])
    return _kept(context.cache, key, lambda: [tokenize(caption) for caption in context.corpus()])


def language_model_of(captions: Sequence[str], cache: Path) -> LanguageModel:
    """The trigram model of raw captions, from the cache folder or estimated now and kept there."""
    sentences = [tokenize(caption) for caption in captions]
    return _kept(cache, "\n".join([ESTIMATOR, *map(" ".join, sentences)]), lambda: sentences)


def read_language_model(path: Path, order: int = 3) -> LanguageModel:
    """The user's model.  Raises UserError naming what was found if it is none, or of another order."""
    if not path.is_file():
        raise UserError(f"{path}: no such language model; give an ARPA file or a KenLM binary file with --lm")
    remedy = "give an ARPA file (lmplz -o 3 < text > FILE) or a KenLM binary file with --lm"
    model = load_arpa(path, "not a language model that KenLM can read", remedy)
    if model.order != order:
        raise UserError(
            f"{path}: a language model of order {model.order}, where {order} is expected; estimate one of that order "
            f"(lmplz -o {order}), or ask for this one with --lm-order {model.order}"
        )
    digest = sha256_file(path)[:12]
    return LanguageModel(model, f"{path.name}, order {order}, sha256 {digest}", digest)


def load_arpa(path: Path, wrong: str = "damaged language model", remedy: str = "delete it, it is made again") -> Any:
    """A KenLM model; UserError, what is `wrong` and the `remedy`, if the file is damaged or none."""
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), config)
    except UnicodeDecodeError:  # of KenLM's own message, which quotes the file
        raise UserError(f"{path}: {wrong} (neither text nor one of its binary files); {remedy}") from None
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise UserError(f"{path}: {wrong} ({reason}); {remedy}") from None


def _kept(cache: Path, key: str, sentences: Callable[[], Sequence[Sequence[str]]]) -> LanguageModel:
    path = cache / f"trigram-{sha256(key.encode()).hexdigest()[:16]}.arpa"
    about = path.with_suffix(".json")
    if not (path.exists() and about.exists()):
        _make(path, about, sentences())
    return LanguageModel(load_arpa(path), _note(about), path.stem)


def _make(path: Path, about: Path, sentences: Sequence[Sequence[str]]) -> None:
    model = estimate(sentences)
    facts = {
        "captions": len(sentences),
        "ngrams": [len(order.prob) for order in model.orders],
        "discounts": model.discounts,
        "fallback": model.fallback,
    }
    try:
        atomic_write(about, json.dumps(facts).encode())
        atomic_write(path, "".join(arpa_lines(model)).encode())
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(
            f"{path.parent}: cannot keep the language model there ({error.strerror}); name another folder in "
            "the environment variable PROBING_VLP_CACHE"
        ) from None


def _note(about: Path) -> str:
    try:
        fact = json.loads(read_bytes(about, "description of a language model", "run the same command again"))
        orders = " and ".join(map(str, fact["fallback"]))
        return f"corpus of {fact['captions']:,} captions" + (
            f", too small for Kneser-Ney discounts: orders {orders} take {FALLBACK}" if orders else ""
        )
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{about}: damaged; delete it, it is made again") from None


@functools.cache
def _code(module: Any) -> str:
    """A hash of a module's source: a model kept under it follows changes of the code."""
    return sha256(Path(module.__file__).read_bytes()).hexdigest()


def kenlm_name() -> str:
    """KenLM and its version, as a source of numbers."""
    return f"kenlm {version('kenlm')}"
