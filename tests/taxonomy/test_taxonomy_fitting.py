"""Learning the projector: order, learning rate, what may change and what may not, going on."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from taxonomy_models import Features, question, save_llama

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.answering import answer, ask
from probing_vlp.taxonomy.model.fitting import batches, fit, rate_of, steps_of
from probing_vlp.taxonomy.model.frozen import fingerprint
from probing_vlp.taxonomy.model.language_models import load_language_model
from probing_vlp.taxonomy.model.options import FitOptions
from probing_vlp.taxonomy.model.projectors import Projector, make_projector
from probing_vlp.taxonomy.model.vlm import VLM

NAMES = [f"image{number}" for number in range(8)]
TABLE = Features(NAMES)
CONCEPTS = ("dog", "cat", "tool")
ASKED = [question(name, concept, row % 2 == 0) for row, name in enumerate(NAMES) for concept in CONCEPTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def trained(folder: Path, options: FitOptions, seed: int = 1, start: int = 1, saved: Path | None = None) -> tuple[
    VLM, list[float]
]:  # fmt: skip
    lm = load_language_model(str(folder))
    vlm = VLM(lm, make_projector("auto", 5, lm.width, start))
    return vlm, fit(vlm, TABLE, ask(ASKED, lm), options, seed, Accelerator(cpu=True), saved)


def weights(vlm: VLM) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in vlm.projector.parameters()])


def test_answers_are_learned_and_nothing_else_is(folder: Path) -> None:
    vlm, losses = trained(folder, FitOptions(epochs=30, learning_rate=3e-2))
    assert np.mean(losses[-5:]) < 0.6 * losses[0]
    found = answer(vlm, TABLE, ask(ASKED, vlm.lm))
    right = [(yes >= no) == each.gold for each, (yes, no) in zip(ASKED, found, strict=True)]
    assert np.mean(right) > 0.9
    assert fingerprint(vlm.lm.network) == vlm.lm.described["sha256"]
    assert vlm.lm.described["sha256"] == fingerprint(load_language_model(str(folder)).network)


def test_a_frozen_weight_that_changes_is_noticed(folder: Path) -> None:
    network = load_language_model(str(folder)).network
    before = fingerprint(network)
    with torch.no_grad():
        network.model.norm.weight[3] += 1e-6
    assert fingerprint(network) != before


def test_the_seed_says_all(folder: Path) -> None:
    options = FitOptions(steps=4)
    one, same, other = (trained(folder, options, seed) for seed in (1, 1, 2))
    assert torch.equal(weights(one[0]), weights(same[0])) and one[1] == same[1]
    assert not torch.equal(weights(one[0]), weights(other[0]))


def test_accumulation_and_sharing_do_not_change_a_step(folder: Path) -> None:
    whole = trained(folder, FitOptions(steps=5, batch_size=10))[0]
    for options in (
        FitOptions(steps=5, batch_size=10, accumulate=4),
        FitOptions(steps=5, batch_size=10, accumulate=12),  # two of them without questions
        FitOptions(steps=5, batch_size=10, checkpoint_gradients=True),
    ):
        torch.testing.assert_close(weights(trained(folder, options)[0]), weights(whole), rtol=2e-4, atol=2e-5)


def test_what_saves_memory_in_training_leaves_the_answers(folder: Path) -> None:
    usual, sparing = (trained(folder, FitOptions(steps=5, checkpoint_gradients=c))[0] for c in (False, True))
    found, same = (answer(vlm, TABLE, ask(ASKED, vlm.lm)) for vlm in (usual, sparing))
    np.testing.assert_allclose(same, found, rtol=2e-4, atol=2e-5)
    assert len(np.unique(same[:, 0].round(6))) > len(CONCEPTS)  # they hang on the image, not on the concept alone


def test_a_state_of_another_origin_is_not_gone_on_from(folder: Path, tmp_path: Path) -> None:
    lm, accelerator, saved = load_language_model(str(folder)), Accelerator(cpu=True), tmp_path / "state.safetensors"
    options, asked = FitOptions(steps=4, save_every=2), ask(ASKED, lm)

    def steps(origin: str) -> int:
        seen: list[int] = []
        vlm = VLM(lm, make_projector("auto", 5, lm.width, 1))
        fit(vlm, TABLE, asked, options, 1, accelerator, saved, lambda step, total, loss: seen.append(step), origin)
        return len(seen)

    assert [steps("one"), steps("one"), steps("other")] == [4, 0, 4]


def test_an_interrupted_training_goes_on(folder: Path, tmp_path: Path) -> None:
    whole, losses = trained(folder, FitOptions(steps=7))
    saved = tmp_path / "state.safetensors"
    calls = []

    def cut(step: int, total: int, loss: float) -> None:
        calls.append(step)
        if step == 5:
            raise KeyboardInterrupt

    lm = load_language_model(str(folder))
    options, accelerator = FitOptions(steps=7, save_every=2), Accelerator(cpu=True)
    with pytest.raises(KeyboardInterrupt):
        fit(VLM(lm, make_projector("auto", 5, lm.width, 1)), TABLE, ask(ASKED, lm), options, 1, accelerator, saved, cut)
    calls.clear()
    vlm = VLM(lm, make_projector("auto", 5, lm.width, 99))
    again = fit(vlm, TABLE, ask(ASKED, lm), options, 1, accelerator, saved, lambda *told: calls.append(told[0]))
    assert calls == [5, 6, 7]  # four steps were saved
    assert again == losses and torch.equal(weights(vlm), weights(whole))


def test_each_epoch_asks_everything_once_in_a_new_order() -> None:
    images = [each.image for each in ASKED]
    for together in (1, 2):
        options = FitOptions(epochs=2, batch_size=10, together=together)
        steps = list(batches(images, options, seed=3))
        assert [len(step) for step in steps] == [10, 10, 4] * 2 and len(steps) == steps_of(24, options)
        first, second = np.concatenate(steps[:3]), np.concatenate(steps[3:])
        assert sorted(first) == sorted(second) == list(range(24)) and list(first) != list(second)
        assert list(np.concatenate(list(batches(images, options, 3))[:3])) == list(first)
    # three questions an image: groups of two and one
    order = [images[row] for row in np.concatenate(list(batches(images, FitOptions(epochs=1, together=3), 0)))]
    assert all(len(set(order[start : start + 3])) == 1 for start in range(0, 24, 3))
    assert len(list(batches(images, FitOptions(steps=5, batch_size=16), 0))) == 5  # two and a half epochs


def test_the_learning_rate_rises_and_falls() -> None:
    options = FitOptions(learning_rate=1.0, warmup=0.1)
    rates = [rate_of(step, 40, options) for step in range(40)]
    assert rates[:5] == [0, 0.25, 0.5, 0.75, 1]  # int(0.1 * 40) = 4 steps up
    assert rates[22] == pytest.approx(0.5)  # halfway down: 18 of 36 steps
    assert rates[39] == pytest.approx(0.5 * (1 + math.cos(math.pi * 35 / 36)))
    assert rate_of(0, 10, options) == 0 and rate_of(0, 9, options) == 1.0  # int(0.9) = 0: no rise


def test_projectors_are_those_of_the_paper() -> None:
    one, both = make_projector("auto", 6, 4, seed=6), make_projector("auto", 6, 4, seed=6, encoders=2)
    assert [tuple(p.shape) for p in one.parameters()] == [(4, 6), (4,), (4, 4), (4,)]
    assert [tuple(p.shape) for p in both.parameters()] == [(24, 6), (24,), (4, 24), (4,), (4, 4), (4,)]
    assert torch.equal(one.layers[0].weight, make_projector("gelu-mlp", 6, 4, seed=6).layers[0].weight)
    with pytest.raises(UserError, match="--projector linear: is none of"):
        make_projector("linear", 6, 4, 1)


def test_features_are_standardised_inside_the_projector() -> None:
    tokens = torch.randn(2, 3, 4) * 5 + 2
    mean, deviation = tokens.flatten(0, 1).mean(0), tokens.flatten(0, 1).std(0)
    projector = make_projector("auto", 4, 3, 1, mean=mean, deviation=deviation)
    bare = make_projector("auto", 4, 3, 1)
    torch.testing.assert_close(projector(tokens), bare((tokens - mean) / deviation))
    again = Projector(bare.layers, 4)
    again.load_state_dict(projector.state_dict())
    torch.testing.assert_close(again(tokens), projector(tokens))


def test_bad_training_is_said_in_one_line(folder: Path) -> None:
    lm = load_language_model(str(folder))
    vlm = VLM(lm, make_projector("auto", 5, lm.width, 1))
    with pytest.raises(UserError, match="no training questions"):
        fit(vlm, TABLE, ask([], lm), FitOptions(), 1, Accelerator(cpu=True))
    with torch.no_grad():
        vlm.projector.layers[0].weight[0, 0] = math.nan  # type: ignore[union-attr,index]
    with pytest.raises(UserError, match="the loss of step 1 is not finite"):
        fit(vlm, TABLE, ask(ASKED, lm), FitOptions(), 1, Accelerator(cpu=True))
    for wrong in ({"batch_size": 0}, {"warmup": 1.5}, {"learning_rate": -1}):
        (name,) = wrong
        with pytest.raises(UserError, match=f"--fit.{name}"):
            FitOptions(**wrong)  # type: ignore[arg-type]
