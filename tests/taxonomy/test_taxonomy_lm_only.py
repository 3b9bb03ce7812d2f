"""The LM-only test: what is asked, both rules of answering, and its file, with small random models of transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_taxonomy_small_lm import captions_folder, zoo_file
from test_taxonomy_worlds import ZOO

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers.items import Item, read_items
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.language.corpus import Branch, KeptOut, Tree
from probing_vlp.taxonomy.language.lm_only import (
    LMOnlyConfig,
    caption_items,
    run,
    truth_items,
    world_items,
    wrong_hypernyms,
)
from probing_vlp.taxonomy.language.results import part_of, read_kept, results
from probing_vlp.taxonomy.language.scoring import Answerer, Scores
from probing_vlp.taxonomy.language.trees import make_tokenizer
from probing_vlp.taxonomy.model.language_models import LanguageModel

QUESTIONS = ["Is it true that dogs are animals?", "Is a dog an animal?", "Is there rice?"]
CHAT = "{% for m in messages %}user {{ m['content'] }} {% endfor %}{% if add_generation_prompt %}bot {% endif %}"


def small_model(words: str = "dogs dog are animals is it true that a type of ? food rice user bot") -> LanguageModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer([Tree("", (Branch(words),), "test")], [], 200)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=0.5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LanguageModel(LlamaForCausalLM(config), tokenizer)


def next_token(lm: LanguageModel, ids: list[int]) -> torch.Tensor:
    """(V,) log probabilities of what follows, the plain way."""
    with torch.no_grad():
        return lm.network(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)


def test_single_tokens_by_hand() -> None:
    lm = small_model()
    scores = Answerer(lm, "small", batch_size=2).score(QUESTIONS)
    id_of = lm.tokenizer.get_vocab()
    assert scores.ranks is not None
    for i, question in enumerate(QUESTIONS):
        logp = next_token(lm, lm.tokenizer(question)["input_ids"])
        assert scores.logp[i] == pytest.approx([float(logp[id_of["Yes"]]), float(logp[id_of["No"]])], abs=1e-4)
        order = logp.argsort(descending=True).tolist()
        rank = {word: order.index(id_of[word]) for word in ("Yes", "yes", "No", "no")}
        assert scores.ranks[i].tolist() == [min(rank["Yes"], rank["yes"]), min(rank["No"], rank["no"])]


def test_answers_of_several_tokens_are_summed() -> None:
    lm = small_model()
    with_pieces = Answerer(lm, "small")
    whole = lm.prompt(QUESTIONS[0])
    pieces = type(whole)(whole.ids, ((5, 6, 7), (8,)))
    with_pieces.prompt = lambda question: pieces  # type: ignore[method-assign]
    scores = with_pieces.score(QUESTIONS[:1])
    ids = list(whole.ids)
    yes = sum(float(next_token(lm, ids + [5, 6, 7][:i])[(5, 6, 7)[i]]) for i in range(3))
    assert scores.logp[0] == pytest.approx([yes, float(next_token(lm, ids)[8])], abs=1e-4)
    assert scores.ranks is None and scores.says_yes("ranks")[0] == (scores.logp[0, 0] >= scores.logp[0, 1])


def test_the_two_rules_may_differ_and_a_tie_of_sums_is_a_yes() -> None:
    scores = Scores(np.array([[-2.0, -1.0], [-1.0, -1.0]]), np.array([[0, 3], [4, 2]]))
    assert scores.says_yes("ranks").tolist() == [True, False]
    assert scores.says_yes("sums").tolist() == [False, True]


def test_fluency_is_the_mean_over_the_question_whatever_stands_beside_it() -> None:
    lm = small_model()
    found = Answerer(lm, "small").fluency(QUESTIONS)
    for question, value in zip(QUESTIONS, found, strict=True):
        ids = lm.tokenizer(question)["input_ids"]
        told = [float(next_token(lm, ids[:i])[ids[i]]) for i in range(1, len(ids))]
        assert value == pytest.approx(np.mean(told), abs=1e-4)
    assert Answerer(lm, "small", batch_size=1).fluency(QUESTIONS) == pytest.approx(found, abs=1e-4)


def test_a_chat_template_is_used_where_there_is_one() -> None:
    lm = small_model()
    lm.tokenizer.chat_template = CHAT
    chat, plain = Answerer(lm, "small"), Answerer(lm, "small", chat=False)
    assert lm.tokenizer.decode(chat.prompt("is a dog rice ?").ids) == "user is a dog rice ? bot"
    assert plain.prompt("is a dog rice ?").ids[0] == lm.tokenizer.bos_token_id
    logp = next_token(lm, lm.tokenizer("user is a dog rice ? bot", add_special_tokens=False)["input_ids"])
    assert chat.score(["is a dog rice ?"]).logp[0, 0] == pytest.approx(
        float(logp[lm.tokenizer.get_vocab()["Yes"]]), abs=1e-4
    )


def test_every_pair_is_asked_in_four_phrasings_and_wrong_ones_as_asked_for() -> None:
    answerer = Answerer(small_model(), "small")
    items = truth_items(ZOO, answerer, LMOnlyConfig())
    # four leaves, one true and one wrong hypernym each, four phrasings
    assert len(items) == 4 * 2 * 4 and sum(item.gold == "Yes" for item in items) == 16
    assert {(item.test, item.condition, item.run) for item in items} == {("lm-only", "lm-only", "small/lm-only")}
    best = truth_items(ZOO, answerer, LMOnlyConfig(phrasing="best"))
    assert len(best) == 8 and {i[:6] for i in best} <= {i[:6] for i in items}
    worlds = world_items(ZOO, answerer, LMOnlyConfig(), KeptOut((), (("cat", "food"),)))
    assert len(worlds) == 4 * 2  # the false pair was drawn already
    assert [(i.image, i.concept, i.gold) for i in worlds[:2]] == [("A cat.", "animal", "Yes"), ("A cat.", "food", "No")]
    coco = load_taxonomy("coco")
    assert len(wrong_hypernyms(coco, "dog", 0, 1)) == len(coco.hypernyms) - len(coco.pairs["dog"])
    drawn = wrong_hypernyms(coco, "dog", 5, 1)
    assert len(drawn) == 5 and not set(drawn) & coco.pairs["dog"] and drawn == wrong_hypernyms(coco, "dog", 5, 1)


def test_captions_are_asked_about_leaves_and_hypernyms_apart() -> None:
    items = caption_items(
        ZOO, Answerer(small_model(), "x"), LMOnlyConfig(), ["a dog eats rice", "a cat on a bed"] * 9, KeptOut(), 12
    )
    assert {item.concept for item in items if item.test == "lm-captions"} <= set(ZOO.hypernyms)
    assert {item.concept for item in items if item.test == "lm-leaves"} <= set(ZOO.leaves)
    assert all(item.gold == "Yes" for item in items if item.concept == "animal" and item.image.startswith("a dog"))


def item(leaf: str, concept: str, gold: str, said: str, test: str = "lm-only") -> Item:
    return Item("m/lm-only", "lm-only", "plural", leaf, concept, gold, said, test=test)


def test_results_are_told_apart_by_what_was_kept_out() -> None:
    kept = KeptOut((("dog", "animal"),), (("rice", "animal"),), ("food",))
    told = [item("cat", "animal", "Yes", "Yes"), item("hot dog", "animal", "No", "Yes")]
    hidden = [item("dog", "animal", "Yes", "No"), item("rice", "animal", "No", "No")]
    unknown = [item("rice", "food", "Yes", "No"), item("rice", "food", "Yes", "No", "lm-world")]
    assert [part_of(i, kept) for i in (*told, *hidden, *unknown)] == [
        *["truths, known pairs"] * 2,
        *["truths, kept-out pairs"] * 2,
        "truths, unknown hypernyms",
        "worlds of one leaf, unknown hypernyms",
    ]
    found = results([*told, *hidden, *unknown], kept)
    # known: gold Yes No, said Yes Yes: F1(Yes) = 2 / 3, F1(No) = 0; the mean is 1 / 3
    assert found["truths, known pairs"]["macro_f1"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["truths, kept-out pairs"]["said_yes"] == 0 and found["truths, kept-out pairs"]["accuracy"] == 0.5
    assert found["truths, kept-out pairs"]["majority"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["truths, unknown hypernyms"]["n"] == 1


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    lm = small_model()
    folder = tmp_path / "model"
    lm.network.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


def test_the_command_writes_answers_of_any_model(saved: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "lm-only.csv.gz"
    config = LMOnlyConfig(lm=str(saved), taxonomy=str(zoo_file(tmp_path)), out=str(out), negatives=1)
    run(config)
    frame = read_items(out)
    assert set(frame["test"]) == {"lm-only", "lm-world"} and set(frame["lm"]) == {"model"}
    assert (frame["logp_yes"] < 0).all()
    first = out.read_bytes()
    run(config)
    assert out.read_bytes() == first
    assert "truths, known pairs: macro-F1" in capsys.readouterr().out


def test_a_model_of_another_taxonomy_is_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "knowledge.json").write_text(
        json.dumps(
            {"taxonomy": "coco", "signature": "x", "kept_out": [], "kept_out_false": [], "unknown_hypernyms": []}
        )
    )
    with pytest.raises(UserError, match=r"trained with another taxonomy \(coco, not this"):
        run(LMOnlyConfig(lm=str(saved), taxonomy=str(zoo_file(tmp_path)), out=str(tmp_path / "o.csv")))
    (saved / "knowledge.json").write_text("{}")
    with pytest.raises(UserError, match=r"not written by train\.py lm"):
        read_kept(saved, ZOO)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    captions_folder(tmp_path)
    with pytest.raises(UserError, match=r"config\.json"):
        run(LMOnlyConfig(lm=str(tmp_path), taxonomy=str(zoo_file(tmp_path)), out=str(tmp_path / "o.csv")))


@pytest.mark.parametrize(
    ("more", "said"), [({"device": "abacus"}, "--device abacus: "), ({"out": "{}"}, "is a folder")]
)
def test_bad_options_are_told_before_the_model_is_asked(
    saved: Path, tmp_path: Path, more: dict[str, str], said: str
) -> None:
    options = {"out": str(tmp_path / "o.csv")} | {key: value.format(tmp_path) for key, value in more.items()}
    with pytest.raises(UserError, match=said):
        run(LMOnlyConfig(lm=str(saved), taxonomy=str(zoo_file(tmp_path)), **options))
    assert not (tmp_path / "o.csv").exists()
