"""Vocabulary: threshold, order, ids, and its saved form."""

import random

import pytest

from probing_vlp.data.embedded import coco_corpus
from probing_vlp.data.text import tokenize
from probing_vlp.data.vocabulary import Vocabulary, build_vocabulary
from probing_vlp.errors import UserError

# dog 4 times, a 3 times, cat 3 times, the 2 times
CAPTIONS = [["a", "dog"], ["a", "cat", "dog"], ["the", "dog", "cat"], ["the", "dog", "a", "cat"]]


def test_words_seen_more_often_than_the_threshold_by_count_then_alphabet() -> None:
    assert build_vocabulary(CAPTIONS, 2).words == ("dog", "a", "cat")
    assert build_vocabulary(CAPTIONS, 1).words == ("dog", "a", "cat", "the")


def test_the_order_of_captions_does_not_matter() -> None:
    shuffled = [random.Random(1).sample(tokens, len(tokens)) for tokens in reversed(CAPTIONS)]
    assert build_vocabulary(shuffled, 1) == build_vocabulary(CAPTIONS, 1)
    assert build_vocabulary(shuffled, 1).fingerprint == build_vocabulary(CAPTIONS, 1).fingerprint


def test_ids() -> None:
    vocabulary = Vocabulary(("dog", "a", "cat"))
    assert len(vocabulary) == 5  # end, three words, unknown
    assert vocabulary.encode(["a", "red", "cat"]) == [2, 4, 3]
    assert vocabulary.decode([2, 4, 3, 0, 1]) == ["a", "<unk>", "cat"]
    assert vocabulary.decode([]) == vocabulary.decode([0]) == []
    words = ["dog", "cat", "a"]
    assert vocabulary.decode(vocabulary.encode(words)) == words


def test_a_fingerprint_tells_the_order_of_words() -> None:
    vocabulary = Vocabulary(("chat", "café"))
    assert (
        Vocabulary(("chat", "café")).fingerprint == vocabulary.fingerprint != Vocabulary(("café", "chat")).fingerprint
    )
    assert len(vocabulary.fingerprint) == 12


def test_no_word_often_enough() -> None:
    with pytest.raises(UserError, match="more than 4 times"):
        build_vocabulary(CAPTIONS, 4)


def test_coco_has_the_published_number_of_words() -> None:
    captions = [tokenize(caption) for split in ("train", "val") for _, caption in coco_corpus(split)]
    assert len(captions) == 616_767
    assert len(build_vocabulary(captions).words) == 9_486  # and the unknown word makes 9,487
