"""Every family of encoders does what extraction needs; missing weights are errors; real formats, tiny random models."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_toys import hf, write_json
from similarity_toys import (
    MAKERS,
    NAMED,
    WORDS,
    change_weights,
    make_spec,
    read_config,
    save_bert,
    save_clap,
    save_clip,
    save_glove,
    save_roberta,
    save_siglip,
)

from probing_vlp.errors import UserError
from probing_vlp.hub import load_model
from probing_vlp.similarity.encoders import ENCODERS, Encoder, has_twin, load_encoder, parse
from probing_vlp.similarity.encoders.extraction import extract
from probing_vlp.similarity.encoders.transformer import SPARE
from probing_vlp.similarity.words.stimuli import Stimuli
from probing_vlp.similarity.words.templates import Filled, put

CASES = [*MAKERS, *NAMED]
ALONE = ("glove", "vectors.npz", "captioner", "Own")
"""Vectors that the sentence does not change."""
SENTENCES = [put(word, text, f"t{i}") for word in WORDS for i, text in enumerate(["a {word} on a mat", "the {word}!"])]


@pytest.fixture(scope="module", params=CASES)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_spec(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def encoder(spec: str) -> Encoder:
    return load_encoder(spec)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folders")


def test_every_row_has_a_case() -> None:
    families = {"transformers", "minilm"} | {case for case in CASES if case in ENCODERS}
    assert families == set(ENCODERS)  # minilm is a folder of transformers: test_similarity_extraction.py


def test_shapes_layers_and_numbers(encoder: Encoder) -> None:
    found = extract(encoder, SENTENCES)
    layers, words, width = found.vectors.shape
    assert (layers, words) == (len(found.layers), len(WORDS)) and found.words == WORDS and found.trained
    assert found.vectors.dtype == np.float32 and np.isfinite(found.vectors).all()
    assert max(found.info["widths"]) == width and len(found.info["widths"]) == layers
    for layer in found.vectors:
        assert len({row.tobytes() for row in layer}) == len(WORDS)


def test_same_numbers_again_in_other_batches_and_in_another_order(encoder: Encoder) -> None:
    found = extract(encoder, SENTENCES)
    assert np.array_equal(found.vectors, extract(encoder, SENTENCES).vectors)
    for batch in (1, 3):
        np.testing.assert_allclose(
            extract(encoder, SENTENCES, batch=batch).vectors, found.vectors, rtol=1e-6, atol=1e-6
        )
    turned = extract(encoder, SENTENCES[::-1])
    assert turned.words == WORDS[::-1]
    assert np.array_equal(turned.only(WORDS).vectors, found.vectors)


def test_mean_over_the_slot_then_over_the_sentences(encoder: Encoder) -> None:
    means = []
    for one in SENTENCES[:2]:
        tokens = encoder.tokens(one)
        states = encoder.states(np.array([tokens.ids]))
        means.append([state[0, list(tokens.slot)].double().mean(dim=0).numpy() for state in states])
    found = extract(encoder, SENTENCES)
    for layer, (one, other) in enumerate(zip(*means, strict=True)):
        np.testing.assert_allclose(found.vectors[layer, 0, : len(one)], (one + other) / 2, rtol=1e-5, atol=1e-6)


def test_the_sentence_counts_in_the_last_layer(encoder: Encoder) -> None:
    last = [extract(encoder, [one]).vectors[-1] for one in SENTENCES[:2]]
    alone = any(family in encoder.name for family in ALONE)
    assert np.allclose(*last) == alone


def test_untrained_twin(spec: str) -> None:
    if not has_twin(spec):
        with pytest.raises(UserError, match="has no untrained twin"):
            extract(spec, SENTENCES, untrained_seed=1)
        return
    trained, one, two = (extract(spec, SENTENCES, untrained_seed=seed) for seed in (None, 1, 2))
    again = extract(load_encoder(spec, 1), SENTENCES)
    assert np.array_equal(one.vectors, again.vectors) and not one.trained
    assert one.layers == trained.layers and one.vectors.shape == trained.vectors.shape
    assert not np.allclose(one.vectors, two.vectors) and not np.allclose(one.vectors, trained.vectors)


def test_slots_are_the_words_tokens(tmp_path: Path) -> None:
    encoder = load_encoder(str(save_bert(tmp_path)))
    # a cat ##s? no: "the" is t ##h ##e; the word dogs is dog ##s, after [CLS] a on
    made = encoder.tokens(put("dogs", "a on {word}.", "t"))
    assert made.slot == (3, 4) and len(made.ids) == 7
    # a word inside an earlier one ("cat" in "cats") is not the slot: [CLS] cat ##s on cat [SEP]
    assert encoder.tokens(put("cat", "cats on {word}", "t")).slot == (4,)
    ice = encoder.tokens(put("ice cream", "a {word}!", "t"))
    assert ice.slot == tuple(range(2, 2 + len("icecream")))  # spelt: no piece of theirs is longer than a letter
    accents, plain = (encoder.tokens(put(word, "a {word}", "t")) for word in ("Éclair", "eclair"))
    assert accents == plain  # lower case without accents, offsets of the text as it was


def test_byte_tokens_begin_with_a_space(tmp_path: Path) -> None:
    encoder = load_encoder(str(save_roberta(tmp_path)))
    text = "a dog sits"
    found = encoder.tokens(Filled("dog", "t", text, 2, 5))
    assert len(found.slot) == 1 and found.ids[found.slot[0]] == 5 + 256 + 2  # the piece "Ġdog"
    accent = encoder.tokens(put("é", "a {word}", "t"))
    assert len(accent.slot) >= 2  # the space's byte and the two of é, none of "a"
    assert 0 not in accent.slot and 1 not in accent.slot


def test_by_hand_with_padding_and_mask(tmp_path: Path) -> None:
    """The paper's way: one padded batch, tokens whose offsets lie inside the word."""
    folder = save_bert(tmp_path)
    tokenizer, model = hf.AutoTokenizer.from_pretrained(folder), hf.BertModel.from_pretrained(folder).eval()
    texts, word = ["a dogs on mat", "a very small dogs!"], "dogs"
    batch = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
    offsets = batch.pop("offset_mapping")
    with torch.inference_mode():
        states = torch.stack(model(**batch, output_hidden_states=True).hidden_states)  # L, B, T, D
    means = []
    for row, text in enumerate(texts):
        start = text.index(word)
        inside = (offsets[row, :, 0] >= start) & (offsets[row, :, 1] <= start + len(word)) & (offsets[row, :, 1] > 0)
        means.append(states[:, row, inside].mean(dim=1))
    filled = [put(word, text.replace(word, "{word}"), str(i)) for i, text in enumerate(texts)]
    found = extract(str(folder), filled)
    np.testing.assert_allclose(found.vectors[:, 0], torch.stack(means).mean(dim=0), rtol=1e-5, atol=1e-6)


def test_towers_are_those_of_the_whole_model(tmp_path: Path) -> None:
    for name, save, whole in (("clap", save_clap, "ClapModel"), ("clip", save_clip, "CLIPModel")):
        folder = tmp_path / name
        folder.mkdir()
        save(folder)
        model = getattr(hf, whole).from_pretrained(folder).eval()
        encoder = load_encoder(str(folder))
        tokens = encoder.tokens(put("dog", "a {word}", "t"))
        ids = torch.tensor([tokens.ids])
        with torch.inference_mode():
            wanted = model.text_model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        for ours, theirs in zip(encoder.states(ids.numpy()), wanted.hidden_states, strict=True):
            assert torch.equal(ours, theirs)


def test_siglip_reads_texts_padded_to_their_longest(tmp_path: Path) -> None:
    folder = save_siglip(tmp_path)
    model, tokenizer = hf.SiglipModel.from_pretrained(folder).eval(), hf.AutoTokenizer.from_pretrained(folder)
    encoder = load_encoder(str(folder))
    tokens = encoder.tokens(put("dog", "a {word}", "t"))
    padded = tokenizer(["a dog"], padding="max_length", max_length=64, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        wanted = model.text_model(input_ids=padded, output_hidden_states=True).hidden_states[-1]
    ours = encoder.states(np.array([tokens.ids]))[-1]
    assert ours.shape[1] == len(tokens.ids) and torch.allclose(ours, wanted[:, : len(tokens.ids)], atol=1e-6)


def test_a_tower_saved_by_itself(tmp_path: Path) -> None:
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    whole.mkdir()
    save_clap(whole)
    for kind in ("ClapTextModelWithProjection", "ClapTextModel"):
        shutil.rmtree(alone, ignore_errors=True)
        shutil.copytree(whole, alone)
        model = hf.ClapModel.from_pretrained(whole)
        config = model.config.text_config
        own = getattr(hf, kind)(config)
        getattr(own, "text_model", own).load_state_dict(model.text_model.state_dict())
        own.save_pretrained(alone)
        assert np.array_equal(extract(str(alone), SENTENCES).vectors, extract(str(whole), SENTENCES).vectors)


def test_the_trap_of_clap(tmp_path: Path) -> None:
    """ClapTextModel finds none of a CLAP's weights and warns only; here that is an error, whoever asks for it."""
    folder = save_clap(tmp_path)
    with pytest.raises(UserError, match=r"does not fit ClapTextModel: missing: embeddings\.LayerNorm\.bias, .* more"):
        load_model(folder, "ClapTextModel", ("clap",), "cpu", "float32", "AutoConfig", SPARE)
    text = read_config(folder)["text_config"] | {"model_type": "clap_text_model", "architectures": ["ClapTextModel"]}
    write_json(folder / "config.json", text)
    for seed in (None, 1):
        with pytest.raises(UserError, match=r"does not fit ClapTextModel: missing: embeddings"):
            extract(str(folder), SENTENCES, untrained_seed=seed)


def test_missing_weights_but_not_the_poolers(tmp_path: Path) -> None:
    folder = save_bert(tmp_path, "BertModel")
    before = extract(str(folder), SENTENCES).vectors
    change_weights(folder, "pooler.")
    assert np.array_equal(extract(str(folder), SENTENCES).vectors, before)
    change_weights(folder, "layer.1.attention.self.key")
    with pytest.raises(UserError, match=r"missing: encoder\.layer\.1\.attention\.self\.key\.bias, .*key\.weight"):
        extract(str(folder), SENTENCES)


def test_blocks_that_the_config_does_not_know(tmp_path: Path) -> None:
    folder = save_bert(tmp_path)
    write_json(folder / "config.json", read_config(folder) | {"num_hidden_layers": 1})
    with pytest.raises(UserError, match=r"unexpected: bert\.encoder\.layer\.1\."):
        extract(str(folder), SENTENCES)


@pytest.mark.parametrize(("text", "said"), [("{bad", "config.json: not JSON"), ("[1]", "not a model config")])
def test_configs_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    (save_bert(tmp_path) / "config.json").write_text(text)
    with pytest.raises(UserError, match=said):
        extract(str(tmp_path), SENTENCES)


def test_tokenizers(tmp_path: Path, folders: Path) -> None:
    folder = save_bert(tmp_path)
    other = folders / "tokenizer"
    other.mkdir()
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.move(folder / name, other / name)
    with pytest.raises(UserError, match=r"holds no tokenizer \(.*\); give another as SPEC,tokenizer=FOLDER"):
        extract(str(folder), SENTENCES)
    found = extract(f"{folder},tokenizer={other}", SENTENCES)
    assert found.words == WORDS
    shutil.copytree(other, folder, dirs_exist_ok=True)
    assert np.array_equal(extract(str(folder), SENTENCES).vectors, found.vectors)
    with (other / "vocab.txt").open("a") as file:
        file.write("zebra\n")
    with pytest.raises(UserError, match=r"no embedding for \(id \d+\); give the tokenizer"):
        extract(f"{folder},tokenizer={other}", [put("zebra", "a {word}", "t")])


def test_longer_than_the_model(tmp_path: Path) -> None:
    spec = str(save_bert(tmp_path))
    extract(spec, [put("do" * 46, "a {word}", "t")])  # [CLS] a, 92 letters, [SEP]: 95 of 96
    with pytest.raises(UserError, match=r"makes 97 tokens; the model reads 96 at most"):
        extract(spec, [put("do" * 47, "a {word}", "t")])
    places = save_roberta(tmp_path / "r") if (tmp_path / "r").mkdir() is None else None
    load = load_encoder(str(places))
    load.states(np.array([load.tokens(put("x" * 94, "{word}", "t")).ids]))  # <s>, 94, </s>: all of 98 - 2 places
    with pytest.raises(UserError, match="makes 97 tokens; the model reads 96"):
        load.tokens(put("x" * 95, "{word}", "t"))


def test_static_vectors(tmp_path: Path) -> None:
    path = save_glove(tmp_path)
    rows = {line.split()[0]: np.array(line.split()[1:], np.float32) for line in path.read_text().splitlines()}
    words = ("ice cream", "DOG", "cat-mat")
    found = extract(f"static:{path}", [put(word, "a {word}", "t") for word in words])
    np.testing.assert_array_equal(found.vectors[0, :2], [rows["ice_cream"], rows["dog"]])
    np.testing.assert_allclose(found.vectors[0, 2], (rows["cat"] + rows["mat"]) / 2, atol=1e-6)
    path.write_text("2 6\n" + path.read_text())  # word2vec's first line
    again = extract(str(path), [put(word, "a {word}", "t") for word in words])
    assert np.array_equal(again.vectors, found.vectors)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no vectors"),
        ("dog 1 2\ncat 1\n", "'dog' has 2 numbers, 1 are needed"),
        ("dog 1 x\n", "is no number"),
    ],
)
def test_bad_files_of_vectors(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        extract(f"static:{path}", [put(word, "a {word}", "t") for word in ("cat", "dog")[-1 - text.count("cat") :]])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("minilmm", "did you mean minilm"),
        ("transformers", "which one"),
        ("captioner", "which one"),
        ("static", "which vectors"),
        ("no/such/folder", "no such folder"),
        ("static:nowhere.txt", "no such file of vectors"),
        ("no_such_package:Class", "there is no module no_such_package"),
        ("minilm,colour=red", "unexpected keyword argument 'colour'"),
        ("mini-clip:nowhere", "no such mini-clip"),
        ("captioner:nowhere", "holds no checkpoint"),
    ],
)
def test_specs_that_name_nothing(spec: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        extract(spec, SENTENCES)


def test_a_folder_without_an_encoder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no encoder lies there"):
        parse(str(tmp_path))


def test_unknown_words_are_named(tmp_path: Path) -> None:
    stimuli = Stimuli(("dog", "zebra"))
    for case in ("captioner", "mini-clip", "static"):
        folder = tmp_path / case
        folder.mkdir()
        filled = [put(word, "a {word}", "t") for word in stimuli.words]
        with pytest.raises(UserError, match="has no token for 'zebra' in 'a zebra'"):
            extract(make_spec(case, folder), filled)
