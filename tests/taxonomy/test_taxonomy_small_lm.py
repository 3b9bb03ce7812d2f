"""The small language model: trees as tensors, training, resuming, and the folder that it leaves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.language.corpus import Amounts, Branch, Tree
from probing_vlp.taxonomy.language.fitting import Blur, Fit, new_model, schedule, tree_loss
from probing_vlp.taxonomy.language.options import LMConfig
from probing_vlp.taxonomy.language.small_lm import load_captions, run
from probing_vlp.taxonomy.language.trees import as_batch, as_rows, batches, make_tokenizer

TREES = [
    Tree(
        "a dog and a cat.", (Branch("Is there a dog in this image?", "Yes"), Branch("Is there rice?", "No")), "worlds"
    ),
    Tree("", (Branch("dogs are animals."), Branch("Is it true that a cat is food?", "No")), "truths"),
]
NAMES = ["dog", "hot dog", "cat", "rice", "animal", "food", "unseen"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(TREES, NAMES, 100)


def tiny(folder: Path, **options: Any) -> LMConfig:
    defaults: dict[str, Any] = {
        "out": str(folder / "lm"),
        "taxonomy": str(zoo_file(folder)),
        "captions": str(captions_folder(folder)),
        "unknown": 0,
        "kept_out": 0.2,
        "amounts": Amounts(captions=20, caption_worlds=20, made_up_worlds=60, truths=1, statements=1),
        "width": 16,
        "inner": 16,
        "layers": 1,
        "heads": 2,
        "batch_tokens": 600,
        "save_every": 3,
    }
    return LMConfig(**{**defaults, **options})


def zoo_file(folder: Path) -> Path:
    path = folder / "zoo.csv"
    path.write_text(
        "leaf,hypernym\ndog,animal\ndog,mammal\ncat,animal\ncat,mammal\ncrow,animal\ncrow,bird\ngull,animal\ngull,bird\n"
        "bun,food\ncake,food\n"
    )
    return path


def captions_folder(folder: Path) -> Path:
    said = ["a dog and a cat sit", "two gulls above a boat", "a crow eats a bun", "cake on a plate"]
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(40)]
    texts = [{"id": i, "image_id": i, "caption": said[i % 4]} for i in range(40)]
    (folder / "captions_train.json").write_text(json.dumps({"images": images, "annotations": texts}))
    return folder


def test_words_are_whole_and_answers_are_single_tokens(tokenizer: Any) -> None:
    words = tokenizer.convert_ids_to_tokens
    assert words(tokenizer("A dog. Is there rice? Yes")["input_ids"]) == [
        *("<s>", "a", "dog", ".", "is", "there", "rice", "?", "Yes")
    ]
    for text in ("Yes", " Yes", "No", " No", "yes", "no"):
        (token,) = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert words(token) == text.strip()
    assert words(tokenizer("zebras", add_special_tokens=False)["input_ids"]) == ["<unk>"]
    assert "unseen" in tokenizer.get_vocab()
    special = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token)
    assert special == ("<s>", "</s>", "<pad>", "<unk>")


def test_the_vocabulary_is_cut_by_number_and_keeps_the_names() -> None:
    small = make_tokenizer(TREES, NAMES, 19)
    assert len(small) == 19 and set(NAMES) - {"hot dog"} < small.get_vocab().keys()


def test_a_branch_is_computed_as_if_it_stood_alone_behind_its_root(tokenizer: Any, tmp_path: Path) -> None:
    model = new_model(tiny(tmp_path), tokenizer).eval()
    batch = as_batch(as_rows(TREES, tokenizer, 0.2), tokenizer.pad_token_id)
    with torch.no_grad():
        trees = model(batch.ids, attention_mask=batch.mask, position_ids=batch.position, use_cache=False).logits
        for row, tree in enumerate(TREES):
            for branch in tree.branches:
                ids = tokenizer(" ".join(filter(None, (tree.root, *branch))), return_tensors="pt")["input_ids"]
                alone = model(ids).logits[0]
                end = [*ids[0].tolist(), tokenizer.eos_token_id]
                # the place of the branch: its tokens and EOS stand together
                flat = batch.ids[row].tolist()
                own = end[len(tokenizer(tree.root)["input_ids"]) :]
                start = next(i for i in range(len(flat)) if flat[i : i + len(own)] == own)
                torch.testing.assert_close(trees[row, start : start + len(own) - 1], alone[-(len(own) - 1) :])


def test_the_loss_counts_answers_of_worlds_and_every_word_of_sentences(tokenizer: Any, tmp_path: Path) -> None:
    model = new_model(tiny(tmp_path), tokenizer).eval()
    rows = as_rows(TREES, tokenizer, 0.2)
    total, weights = 0.0, 0.0
    for tree in TREES:
        for branch in tree.branches:
            ids = tokenizer(" ".join(filter(None, (tree.root, *branch))))["input_ids"] + [tokenizer.eos_token_id]
            with torch.no_grad():
                logp = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            first = len(ids) - 2 if tree.root else 1
            for place in range(first, len(ids)):
                word = 0.05 if branch.answer and place < len(ids) - 2 else 0.2  # EOS counts as a word that is read
                weight = 1.0 if branch.answer and place == len(ids) - 2 else word
                total -= weight * float(logp[place - 1, ids[place]])
                weights += weight
    with torch.no_grad():
        assert float(tree_loss(model, as_batch(rows, tokenizer.pad_token_id))) == pytest.approx(
            total / weights, abs=1e-5
        )
        alone = [float(tree_loss(model, as_batch([row], tokenizer.pad_token_id))) for row in rows]
    shares = [float(row.weight.sum()) for row in rows]
    assert np.average(alone, weights=shares) == pytest.approx(total / weights, abs=1e-5)


def test_blur_touches_worlds_alone_and_half_of_them(tokenizer: Any) -> None:
    batch = as_batch(as_rows([TREES[0]] * 400, tokenizer, 0.2), tokenizer.pad_token_id)
    words = torch.randn(*batch.ids.shape, 8, generator=torch.Generator().manual_seed(0))
    soft = Blur(0.5, 0.5, torch.Generator().manual_seed(1))(words, batch)
    changed = (soft != words).any(2)
    assert not (changed & ~batch.world).any()
    assert 0.4 < changed.any(1).float().mean() < 0.6
    assert torch.equal(Blur(0.0, 0.0, torch.Generator().manual_seed(1))(words, batch), words)
    # at most half of another word, and noise of half the size: a word stays nearest to itself
    assert ((soft - words).square().mean() < words.square().mean() / 2).item()


def test_every_row_is_in_one_batch_of_a_pass_and_batches_have_about_one_size(tokenizer: Any) -> None:
    rows = as_rows(TREES * 30, tokenizer, 0.2)
    parts = batches(rows, 200, np.random.default_rng(0))
    assert sorted(i for part in parts for i in part) == list(range(60))
    assert all(len(part) * max(len(rows[i].ids) for i in part) <= 200 for part in parts)


def test_worlds_grow_from_short_to_long_at_first(tokenizer: Any) -> None:
    trees = [Tree("a dog " * size, (Branch("Is there a dog?", "Yes"),), "worlds") for size in (1, 4, 8, 12)] * 60
    rows = as_rows([*trees, *[TREES[1]] * 20], tokenizer, 0.2)
    parts = batches(rows, 60, np.random.default_rng(0), easy=0.3)
    assert sorted(i for part in parts for i in part) == list(range(260))
    first = [rows[part[0]].root for part in parts[: int(0.3 * len(parts))]]
    assert first == sorted(first) and first[0] == 3 and 1 not in first
    assert 3 in [rows[part[0]].root for part in parts[int(0.3 * len(parts)) :]]


def test_the_schedule_rises_and_falls() -> None:
    # 100 steps, the first ten of them warm-up
    assert schedule(0, 100, 0.1) == pytest.approx(0.1) and schedule(9, 100, 0.1) == schedule(10, 100, 0.1) == 1
    assert schedule(55, 100, 0.1) == pytest.approx(0.525)  # half of the cosine: 0.05 + 0.95 / 2
    assert schedule(100, 100, 0.1) == pytest.approx(0.05)


def test_a_run_leaves_a_model_of_transformers_and_says_what_it_knows(tmp_path: Path, capsys: Any) -> None:
    import transformers

    run(tiny(tmp_path))
    folder = tmp_path / "lm"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "llama" and tokenizer("a dog")["input_ids"][0] == tokenizer.bos_token_id
    known = json.loads((folder / "knowledge.json").read_text())
    assert known["seed"] == 1 and known["unknown_hypernyms"] == [] and len(known["kept_out"]) == 2
    assert (folder / "lm-only.csv.gz").exists()
    assert known["results"]["truths, known pairs"]["n"] > 50 and not (folder / "checkpoint.safetensors").exists()
    assert "truths, known pairs: macro-F1" in capsys.readouterr().out
    with pytest.raises(UserError, match="holds a language model already"):
        run(tiny(tmp_path))


def weights_of(folder: Path) -> bytes:
    return (folder / "lm" / "model.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_weights_and_so_does_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    for name in ("first", "second", "other"):
        (tmp_path / name).mkdir()
    run(tiny(tmp_path / "first"))
    plain = Fit._one

    def interrupted(fit: Fit) -> float:
        if fit.step == 5:
            raise KeyboardInterrupt
        return plain(fit)

    monkeypatch.setattr(Fit, "_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tiny(tmp_path / "second"))
    monkeypatch.undo()
    with pytest.raises(UserError, match="holds a run that was not finished; give --resume"):
        run(tiny(tmp_path / "second"))
    with pytest.raises(UserError, match=r"was begun with another config"):
        run(tiny(tmp_path / "second", learning_rate=0.1, resume=True))
    run(tiny(tmp_path / "second", resume=True))
    run(tiny(tmp_path / "other", seed=2))
    assert weights_of(tmp_path / "first") == weights_of(tmp_path / "second") != weights_of(tmp_path / "other")


def test_no_image_gives_captions_to_both_sides(tmp_path: Path) -> None:
    source = str(captions_folder(tmp_path))
    seen, unseen = load_captions(source)
    assert len(seen) + len(unseen) == 40 and seen
    with pytest.raises(UserError, match="no caption is left"):
        load_captions(source, without=source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kept_out": 0.7}, "--kept_out 0.7: must be 0.5 or less"),
        ({"width": 20, "heads": 4}, "--width 20: must be a multiple of 8"),
        ({"epochs": 0}, "--epochs 0: must be 1 or more"),
        ({"unknown": -1}, "--unknown -1: must be 0 or more"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        replace(LMConfig(), **options)
