"""From words to vectors: pooling, words without tokens, the cache, the command, and the embedded default."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from similarity_toys import change_weights, save_bert, save_glove

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.readers import read_any
from probing_vlp.similarity.encoders import Encoder, load_encoder
from probing_vlp.similarity.encoders.caching import Extracted
from probing_vlp.similarity.encoders.extract_command import ExtractConfig, run
from probing_vlp.similarity.encoders.extraction import extract
from probing_vlp.similarity.words.stimuli import Stimuli
from probing_vlp.similarity.words.templates import fill, put

WORDS = Stimuli(("dog", "dogs", "ice cream", "CAT"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder))


def by_hand(encoder: Encoder, word: str, positions: slice) -> np.ndarray:
    """(L, D) mean over some positions of a bare word's tokens."""
    states = encoder.states(np.array([encoder.tokens(put(word, "{word}", "t")).ids]))
    return np.stack([state[0, positions].double().mean(dim=0).numpy() for state in states])


def test_bare_words_with_and_without_the_special_tokens(encoder: Encoder) -> None:
    bare = fill(WORDS, "isolated")
    own, all_of_them = (extract(encoder, bare, include_special=special) for special in (False, True))
    for row, word in enumerate(WORDS.words):
        np.testing.assert_allclose(own.vectors[:, row], by_hand(encoder, word, slice(1, -1)), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            all_of_them.vectors[:, row], by_hand(encoder, word, slice(None)), rtol=1e-5, atol=1e-6
        )


def test_special_tokens_count_for_bare_words_only(encoder: Encoder) -> None:
    neutral = fill(WORDS, "neutral")
    one, other = (extract(encoder, neutral, include_special=special) for special in (False, True))
    assert np.array_equal(one.vectors, other.vectors)


def test_words_without_tokens(encoder: Encoder) -> None:
    filled = fill(Stimuli(("dog", "\u200b", "cat")), "neutral")
    with pytest.raises(UserError, match=r"has no token for '\u200b' in '.*'; mend the word list, or leave such words"):
        extract(encoder, filled)
    found = extract(encoder, filled, missing="leave-out")
    assert found.words == ("dog", "cat") and list(found.info["missing"]) == ["\u200b"]
    with pytest.raises(UserError, match="2 of 2 words are so"):
        extract(encoder, fill(Stimuli(("\u200b", "日")), "neutral"), missing="leave-out")
    with pytest.raises(UserError, match="no words to extract"):
        extract(encoder, [])


def test_the_cache_is_called_by_what_vectors_depend_on(folder: Path, tmp_path: Path) -> None:
    cache, neutral = tmp_path / "cache", fill(WORDS, "neutral")
    first = extract(str(folder), neutral, cache)
    (kept,) = cache.iterdir()
    written = kept.stat().st_mtime_ns
    again = extract(str(folder), neutral[::-1], cache, batch=2)
    assert np.array_equal(again.only(first.words).vectors, first.vectors) and again.words == first.words[::-1]
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [written]
    extract(str(folder), neutral, cache, untrained_seed=1)
    extract(str(folder), neutral, cache, untrained_seed=2)
    extract(str(folder), neutral, cache, include_special=True)
    extract(str(folder), neutral[:10], cache)
    extract(str(folder), [replace_text(one) for one in neutral], cache)
    assert len(list(cache.iterdir())) == 6
    kept.write_bytes(kept.read_bytes()[:500])  # a disk that was full
    assert np.array_equal(extract(str(folder), neutral, cache).vectors, first.vectors)
    assert kept.stat().st_size > 500


def replace_text(one: object) -> object:
    return one._replace(text=one.text.replace(".", "!"))  # type: ignore[attr-defined]


def test_other_weights_are_extracted_anew(tmp_path: Path) -> None:
    folder, cache, neutral = save_bert(tmp_path, "BertModel"), tmp_path / "cache", fill(WORDS, "neutral")
    extract(str(folder), neutral, cache)
    change_weights(folder, "pooler.")
    extract(str(folder), neutral, cache)
    assert len(list(cache.iterdir())) == 2
    change_weights(folder, "layer.0")
    with pytest.raises(UserError, match="missing"):
        extract(str(folder), neutral, cache)


def test_file_of_all_layers_and_of_one(encoder: Encoder, tmp_path: Path) -> None:
    found = extract(encoder, fill(WORDS, "neutral"))
    (tmp_path / "all.npz").write_bytes(found.to_bytes())
    back = Extracted.from_file(tmp_path / "all.npz")
    assert np.array_equal(back.vectors, found.vectors) and replace(back, vectors=0) == replace(found, vectors=0)
    (tmp_path / "one.npz").write_bytes(found.to_bytes("last"))
    with np.load(tmp_path / "one.npz") as held:
        assert held["vectors"].shape == (4, 16) and held["words"].tolist() == list(WORDS.words)
        assert np.array_equal(held["vectors"], found.layer(2)) and held["layers"].tolist() == ["2"]
    assert np.array_equal(found.layer(-1), found.layer("last")) and np.array_equal(
        found.layer("0"), found.layer("first")
    )
    with pytest.raises(UserError, match="no layer '3'; there are: 0, 1, 2"):
        found.layer(3)
    with pytest.raises(UserError, match="no vectors for cow"):
        found.only(["dog", "cow"])
    (tmp_path / "bad.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="not vectors of words by layer"):
        Extracted.from_file(tmp_path / "bad.npz")


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, out = tmp_path / "words.csv", tmp_path / "out.npz"
    words.write_text("word,category\ndog,animal\ncat,animal\n日,tool\n")
    config = ExtractConfig(
        str(folder), out, words, condition="caption-like", cache=False, missing="leave-out", layer="1"
    )
    run(config)
    told = capsys.readouterr().out
    assert "left out" in told and "日" in told and "2 words, layer 1, caption-like" in told
    assert read_any(out).words == ("dog", "cat")
    templates = tmp_path / "own.yaml"
    templates.write_text("- 'see {article} {word}'\n")
    config = replace(config, subset="animal", layer=None, condition="mine", templates=templates, untrained_seed=1)
    run(config)
    assert "untrained (seed 1)" in capsys.readouterr().out
    held = Extracted.from_file(out)
    assert held.vectors.shape == (3, 2, 16) and not held.trained and held.info["condition"] == "mine"
    for wrong, said in (
        ({"missing": "error", "subset": "all"}, "has no token for '日'"),
        ({"out": tmp_path / "out.csv"}, "an npz is written"),
        ({"layer": "7"}, "no layer '7'"),
        ({"model": f"static:{save_glove(tmp_path)}"}, "has no untrained twin"),
    ):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(UserError, match=said):
            run(replace(config, **wrong))
        assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(UserError, match="--batch_size 0: must be 1 or more"):
        replace(config, batch_size=0)


def test_the_embedded_default_knows_what_is_alike() -> None:
    words = ("dog", "wolf", "hammer", "wrench", "wedding", "festival")
    found = extract("minilm", fill(Stimuli(words), "neutral"))
    assert found.layers == tuple("0123456") and found.vectors.shape == (7, 6, 384)
    last = found.layer("last")
    unit = last / np.linalg.norm(last, axis=1, keepdims=True)
    nearest = np.argmax(unit @ unit.T - 2 * np.eye(6), axis=1)
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4]
