"""The frozen language model that is shown an image: what stands where, what is shared, what is scored."""

import contextlib
from pathlib import Path

import pytest
import torch
from taxonomy_models import Features, llama, question, save_llama, save_qwen

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.answering import answer, ask, predictions
from probing_vlp.taxonomy.model.frozen import fingerprint
from probing_vlp.taxonomy.model.language_models import LanguageModel, load_language_model
from probing_vlp.taxonomy.model.projectors import make_projector
from probing_vlp.taxonomy.model.vlm import VLM

CONCEPTS = ["dog", "cat crow", "animal", "bird tool saw"]
ASKED = [question(f"image{i % 3}", CONCEPTS[i % 4], i % 2 == 0) for i in range(12)]
TABLE = Features(["image0", "image1", "image2"])


@pytest.fixture(scope="module", params=["llama", "qwen"])
def lm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    save = {"llama": save_llama, "qwen": save_qwen}[request.param]
    return load_language_model(str(save(tmp_path_factory.mktemp(request.param))))


def vlm_of(lm: LanguageModel, share: bool = True, after: int = 1) -> VLM:
    return VLM(lm, make_projector("auto", 5, lm.width, seed=3), after, share)


def by_hand(vlm: VLM, image: str, text: str, told: str) -> float:
    """log p(told | image, text), token by token, without padding, cache or sharing."""
    lm = vlm.lm
    prompt = lm.prompt(text)
    total, ids = 0.0, list(prompt.ids)
    for token in prompt.answers[["Yes", "No"].index(told)]:
        words = lm.embed(torch.tensor(ids))
        patches = vlm.projector(torch.from_numpy(TABLE.tokens([image]))[0])
        row = torch.cat([words[: vlm.insert_after], patches, words[vlm.insert_after :]])
        logits = lm.network(inputs_embeds=row[None]).logits[0, -1]
        total += float(logits.log_softmax(-1)[token])
        ids.append(token)
    return total


@torch.no_grad()
@pytest.mark.parametrize("after", [1, 3])
def test_scores_are_those_of_single_sentences(lm: LanguageModel, after: int) -> None:
    vlm = vlm_of(lm, after=after)
    found = answer(vlm, TABLE, ask(ASKED, lm), batch_size=5)
    for each, (yes, no) in zip(ASKED, found, strict=True):
        assert yes == pytest.approx(by_hand(vlm, each.image, each.text, "Yes"), abs=2e-5)
        assert no == pytest.approx(by_hand(vlm, each.image, each.text, "No"), abs=2e-5)


def test_sharing_batches_and_order_change_no_score(lm: LanguageModel) -> None:
    asked = ask(ASKED, lm)
    found = answer(vlm_of(lm), TABLE, asked, batch_size=128)
    for other in (answer(vlm_of(lm, share=False), TABLE, asked, 128), answer(vlm_of(lm), TABLE, asked, 1)):
        assert other == pytest.approx(found, abs=2e-5)
    turned = answer(vlm_of(lm), TABLE, ask(ASKED[::-1], lm), 3)
    assert turned[::-1] == pytest.approx(found, abs=2e-5)


def test_what_stands_first_and_which_tokens_answer(lm: LanguageModel) -> None:
    prompt = lm.prompt("Is there a dog in this image?")
    if (
        lm.network.config.model_type == "llama"
    ):  # words: <unk> 0, <s> 1, </s> 2, Is 3 ... ? 9, Yes 10, No 11, an 12, dog 13
        assert prompt.ids == (1, 3, 4, 5, 13, 6, 7, 8, 9)
        assert prompt.answers == ((10,), (11,))
    else:  # a byte a token, and no token before them
        text = "Is there a dog in this image? "  # the space belongs to both answers, so it is told apart from neither
        assert len(prompt.ids) == len(text) - 1
        assert [len(each) for each in prompt.answers] == [4, 3]  # " Yes", " No"


def test_the_loss_is_that_of_the_answer_and_the_end_alone(lm: LanguageModel) -> None:
    vlm = vlm_of(lm)
    asked = ask(ASKED[:4], lm)
    images, which, prompts, gold = asked.rows([0, 1, 2, 3], TABLE)
    with torch.no_grad():
        summed = float(vlm.loss(images, which, prompts, gold))
    expected = 0.0
    vlm.projector.requires_grad_(False)
    for row, (prompt, right) in enumerate(zip(prompts, gold, strict=True)):
        told = (*prompt.answers[right], lm.end)
        words = lm.embed(torch.tensor((*prompt.ids, *told)))
        patches = vlm.projector(images[which[row]])
        logits = lm.network(inputs_embeds=torch.cat([words[:1], patches, words[1:]])[None]).logits[0]
        at = len(prompt.ids) + 2 - 1  # two image tokens; what precedes a token tells it
        expected -= sum(float(logits[at + i].log_softmax(-1)[token]) for i, token in enumerate(told))
    assert summed == pytest.approx(expected, rel=1e-5)
    assert vlm.told(prompts, gold) == sum(len(p.answers[g]) + 1 for p, g in zip(prompts, gold, strict=True))


@pytest.mark.parametrize("share", [True, False])
def test_gradients_reach_the_projector_alone(lm: LanguageModel, share: bool) -> None:
    vlm = vlm_of(lm, share)
    vlm.loss(*ask(ASKED, lm).rows(range(12), TABLE)).backward()
    assert all(float(each.grad.abs().sum()) > 0 for each in vlm.projector.parameters())
    assert all(each.grad is None and not each.requires_grad for each in lm.network.parameters())


def test_shared_and_recomputed_gradients_are_the_same(tmp_path: Path) -> None:
    found = []
    save_llama(tmp_path)
    for share, again in ((True, False), (False, False), (False, True)):
        lm = load_language_model(str(tmp_path))
        vlm = vlm_of(lm, share)
        with lm.checkpointed_gradients() if again else contextlib.nullcontext():
            vlm.loss(*ask(ASKED, lm).rows(range(12), TABLE)).backward()
        found.append(torch.cat([each.grad.flatten() for each in vlm.projector.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[2], found[0], rtol=1e-4, atol=1e-5)


def test_a_model_that_keeps_nothing_is_not_shared(lm: LanguageModel) -> None:
    vlm = vlm_of(lm, True)
    with lm.checkpointed_gradients(), pytest.raises(RuntimeError, match="has not kept what it read"):
        vlm.loss(*ask(ASKED, lm).rows(range(12), TABLE))


def test_a_tie_goes_to_yes() -> None:
    assert predictions(torch.tensor([[-1.0, -1.0], [-2.0, -1.0], [-1.0, -2.0]]).numpy()) == ["Yes", "No", "Yes"]


def test_redrawn_weights_follow_from_the_seed(tmp_path: Path) -> None:
    save_llama(tmp_path, initializer_range=0.02)
    pretrained, one, same, other = (
        load_language_model(str(tmp_path), weights, seed)
        for weights, seed in (("pretrained", 1), ("random", 1), ("random", 1), ("random", 2))
    )
    digests = [each.described["sha256"] for each in (pretrained, one, same, other)]
    assert digests[1] == digests[2] and len(set(digests)) == 3
    assert one.network.config.to_dict() == pretrained.network.config.to_dict()
    weights = one.network.model.layers[0].mlp.up_proj.weight  # 16 x 24 draws of N(0, 0.02)
    assert float(weights.std()) == pytest.approx(0.02, rel=0.2)
    assert one.described["seed"] == 1 and pretrained.described["seed"] is None


def test_bfloat16_is_stored_and_answers(tmp_path: Path) -> None:
    save_llama(tmp_path)
    lm = load_language_model(str(tmp_path), dtype="bfloat16")
    assert {each.dtype for each in lm.network.parameters()} == {torch.bfloat16}
    assert fingerprint(lm.network) == lm.described["sha256"]
    asked, vlm = ask(ASKED, lm), vlm_of(lm)
    with torch.autocast("cpu", torch.bfloat16):
        found = answer(vlm, TABLE, asked)
    exact = answer(vlm_of(load_language_model(str(tmp_path))), TABLE, asked)
    assert found == pytest.approx(exact, abs=0.3)


def test_bad_input_is_said_in_one_line(tmp_path: Path) -> None:
    lm = llama(tmp_path / "lm")
    with pytest.raises(UserError, match=r"--insert_after 9: a question has 9 tokens"):
        vlm_of(lm, after=9).check([lm.prompt("Is there a dog in this image?")], 2)
    with pytest.raises(UserError, match=r"70 tokens of an image and a question, but the language model reads 64"):
        vlm_of(lm).check([lm.prompt("Is there a dog in this image?")], 60)
    with pytest.raises(UserError, match=r"--lms tuned: is none of pretrained, random"):
        load_language_model(str(tmp_path / "lm"), "tuned")
    with pytest.raises(UserError, match="no such folder"):
        load_language_model(str(tmp_path / "absent"))
    deaf = save_llama(tmp_path / "deaf")
    tokenizer = (deaf / "tokenizer.json").read_text()
    (deaf / "tokenizer.json").write_text(tokenizer.replace('"Yes"', '"Yea"').replace('"No"', '"Nay"'))
    with pytest.raises(UserError, match=r"reads Yes and No after 'Is there a dog\?' as the same tokens"):
        load_language_model(str(deaf)).prompt("Is there a dog?")
