"""Greedy, sampling and beam search against enumeration on captioners of a handful of words."""

import heapq
import math

import pytest
import torch
from torch import Tensor
from toys import every_caption, padded, randn, slow_logits, slow_logprob, tiny_captioner, uniform

from probing_vlp.captioner.argmax import PROMISING
from probing_vlp.captioner.beam import beam
from probing_vlp.captioner.decode import caption_logprob, decode, greedy, sample
from probing_vlp.captioner.fc import FCCaptioner
from probing_vlp.captioner.stepper import DecodeConfig, Stepper, draw, make_stepper

UNKNOWN, JUST_BELOW_ONE = 4, 1 - 2**-24


@pytest.fixture(params=[3, 4, 5])
def model(request: pytest.FixtureRequest) -> FCCaptioner:
    """End, three words and <unk>; these seeds give captions of different lengths."""
    return tiny_captioner(seed=request.param, spread=2)


def wordy(model: FCCaptioner, word: int, bias: float) -> FCCaptioner:
    """The same model, one word made more or less likely."""
    with torch.no_grad():
        model.output.bias[word] += bias
    return model


# ---- greedy


@torch.no_grad()
def slow_greedy(model: FCCaptioner, feature: Tensor, most: int, banned: tuple[int, ...] = ()) -> list[int]:
    words: list[int] = []
    while len(words) < most and 0 not in words:
        logits = slow_logits(model, feature, [*words, 0])[-1]
        logits[list(banned)] = -math.inf
        words.append(int(logits.argmax()))
    return words


@pytest.mark.parametrize("banned", [(), (UNKNOWN,)])
def test_greedy_is_the_argmax_loop(model: FCCaptioner, banned: tuple[int, ...]) -> None:
    features = randn(30, 3)
    expected = [slow_greedy(model, feature, 6, banned) for feature in features]
    assert len(set(map(len, expected))) > 1  # captions of several lengths
    assert torch.equal(greedy(Stepper(model, banned), features, 6), padded(expected, 6))


def test_greedy_over_a_large_vocabulary() -> None:
    model = wordy(tiny_captioner(4 * PROMISING + 100, seed=1), 0, 3)
    features = randn(10, 3)
    unknown = (model.vocabulary_size - 1,)
    expected = [slow_greedy(model, feature, 5, unknown) for feature in features]
    assert torch.equal(greedy(Stepper(model, unknown), features, 5), padded(expected, 5))


# ---- drawing a word


P = torch.tensor([[0.1, 0.4, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        (DecodeConfig(), [0.1, 0.4, 0.2, 0.3]),
        (DecodeConfig(temperature=0.5), [1 / 30, 16 / 30, 4 / 30, 9 / 30]),  # p^2 = .01 .16 .04 .09
        (DecodeConfig(temperature=2), [0.16270, 0.32540, 0.23009, 0.28181]),  # sqrt p = .31623 .63246 .44721 .54772
        (DecodeConfig(top_k=1), [0, 1, 0, 0]),
        (DecodeConfig(top_k=2), [0, 4 / 7, 0, 3 / 7]),
        (DecodeConfig(top_k=3), [0, 4 / 9, 2 / 9, 3 / 9]),
        (DecodeConfig(top_k=4), [0.1, 0.4, 0.2, 0.3]),
        (DecodeConfig(top_p=0.35), [0, 1, 0, 0]),  # the likeliest reaches it alone
        (DecodeConfig(top_p=0.6), [0, 4 / 7, 0, 3 / 7]),  # .4 does not, .4 + .3 does
        (DecodeConfig(top_p=0.75), [0, 4 / 9, 2 / 9, 3 / 9]),  # .4 + .3 does not, .4 + .3 + .2 does
        (DecodeConfig(top_p=0.95), [0.1, 0.4, 0.2, 0.3]),
        (DecodeConfig(temperature=0.5, top_p=0.5), [0, 1, 0, 0]),  # temperature first: 16/30 reaches .5
        (DecodeConfig(top_k=2, top_p=0.55), [0, 1, 0, 0]),  # top k first: 4/7 reaches .55
    ],
    ids=lambda x: f"{x.temperature}-{x.top_k}-{x.top_p}" if isinstance(x, DecodeConfig) else "",
)
def test_draw_by_hand(config: DecodeConfig, shares: list[float]) -> None:
    start = 0.0
    for word, share in enumerate(shares):
        for u in (start + 1e-4, start + share - 1e-4) if share else ():
            assert draw(P.log(), torch.tensor([u]), config).item() == word
        start += share
    assert start == pytest.approx(1)


def test_words_of_no_probability_are_never_drawn() -> None:
    logits = torch.full((4, 7), -math.inf)
    logits[:, [1, 3, 4]] = torch.tensor([[0.0, 0, 0], [1, 2, 3], [-50, 0, 50], [5, -5, 0]])
    for u in (0.0, 1e-30, 2**-24, 0.5, JUST_BELOW_ONE):
        assert torch.isin(draw(logits, torch.full((4,), u), DecodeConfig()), torch.tensor([1, 3, 4])).all()
    many = torch.randn(500, 9000, generator=torch.Generator().manual_seed(0)) * 3
    many[:, :3] = many[:, -3:] = -math.inf
    for u in (0.0, JUST_BELOW_ONE):
        word = draw(many, torch.full((500,), u), DecodeConfig())
        assert (word >= 3).all() and (word < 8997).all()


# ---- sampling captions


@torch.no_grad()
def probabilities(
    model: FCCaptioner,
    feature: Tensor,
    captions: list[list[int]],
    temperature: float = 1.0,
    keep: Tensor | None = None,
    banned: tuple[int, ...] = (),
) -> Tensor:
    """Of each caption to be sampled."""
    found = []
    for caption in captions:
        logits = slow_logits(model, feature, caption, keep) / temperature
        logits[:, list(banned)] = -math.inf
        found.append(torch.softmax(logits, 1)[torch.arange(len(caption)), torch.tensor(caption)].prod())
    return torch.stack(found)


def excess(counts: Tensor, p: Tensor) -> float:
    """Chi-square of counts, in standard deviations above its mean; cells that expect fewer than five share one."""
    expected = p * counts.sum()
    cell = torch.where(expected < 5, 0, torch.arange(1, len(p) + 1))
    observed, expected = (torch.zeros(len(p) + 1).double().index_add(0, cell, x) for x in (counts, expected))
    used = expected > 0
    freedom = int(used.sum()) - 1
    return float(((observed - expected)[used] ** 2 / expected[used]).sum() - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize(
    ("temperature", "dropout", "unknown"), [(1, False, True), (0.6, True, False), (2, False, False)]
)
def test_sampled_captions_come_as_often_as_they_should(temperature: float, dropout: bool, unknown: bool) -> None:
    model, feature, N = tiny_captioner(seed=1), randn(1, 3), 20_000
    keep = torch.tensor([[2.0, 0, 2, 2], [0, 2, 2, 0], [2, 2, 0, 2]]).double() if dropout else None
    config = DecodeConfig("sample", temperature=temperature, unknown=unknown)
    words = sample(
        make_stepper(model, config),
        feature,
        uniform(N, 3, seed=5),
        None if keep is None else keep.expand(N, 3, 4),
        config,
    )
    captions = every_caption(5, 3)
    index = {tuple(row): i for i, row in enumerate(padded(captions, 3).tolist())}
    found = torch.tensor([index[tuple(row)] for row in words.tolist()])
    counts = torch.bincount(found, minlength=len(captions)).double()
    p = probabilities(model, feature[0], captions, temperature, keep, () if unknown else (UNKNOWN,))
    assert p.sum().item() == pytest.approx(1)
    assert counts[p == 0].sum() == 0
    assert excess(counts, p) < 4
    # had the words come from another distribution, it would show
    assert excess(counts, probabilities(model, feature[0], captions, temperature * 1.2, keep)) > 10


def test_a_caption_depends_on_its_own_numbers_alone(model: FCCaptioner) -> None:
    features, numbers, keep = randn(4, 3), uniform(12, 5), (randn(12, 5, 4) > 0) * 2.0
    words = sample(Stepper(model), features, numbers, keep)
    order = torch.tensor([7, 0, 3, 11, 5])
    alone = sample(Stepper(model), features[order // 3], numbers[order], keep[order])
    assert torch.equal(alone, words[order])


# ---- beam search


@torch.no_grad()
def best_of_all(model: FCCaptioner, feature: Tensor, most: int, banned: int) -> tuple[float, list[int]]:
    return max(
        (float(slow_logprob(model, feature, caption).sum()), caption)
        for caption in every_caption(model.vocabulary_size, most)
        if banned not in caption
    )


@torch.no_grad()
def slow_beam(model: FCCaptioner, feature: Tensor, width: int, most: int, banned: int) -> tuple[float, list[int]]:
    """The plain search, run to the last word whatever has ended; ended captions leave their place in the beam."""
    living, ended = [(0.0, [])], []
    for t in range(most):
        options = []
        for score, prefix in living:
            logprob = torch.log_softmax(slow_logits(model, feature, [*prefix, 0])[-1], 0).tolist()
            options += [(score + logprob[w], [*prefix, w]) for w in range(len(logprob)) if w != banned]
        kept = heapq.nlargest(width, options)
        done = [(score, words) for score, words in kept if words[-1] == 0 or t + 1 == most]
        ended += done
        living = [option for option in kept if option not in done]
    return max(ended)


def check_beam(
    model: FCCaptioner, features: Tensor, width: int, expected: list[tuple[float, list[int]]], most: int, banned: int
) -> None:
    found = beam(Stepper(model, (banned,)), features, width, most)
    assert torch.equal(found.words, padded([words for _, words in expected], most))
    assert found.logprob.tolist() == pytest.approx([score for score, _ in expected])


@pytest.mark.parametrize("seed", [6, 18])
def test_a_beam_that_holds_everything_finds_the_best_of_all(seed: int) -> None:
    model, features = tiny_captioner(seed=seed, spread=3), randn(4, 3)
    expected = [best_of_all(model, feature, 4, UNKNOWN) for feature in features]
    # the end or one of three words at each step: 27 prefixes live at most, and 27 x 4 places hold all that follow them
    check_beam(model, features, 108, expected, 4, UNKNOWN)
    # a beam as wide as the vocabulary, which is all that an image begins with, misses some of these
    assert beam(Stepper(model, (UNKNOWN,)), features, 5, 4).logprob.sum() < sum(score for score, _ in expected) - 0.1


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_stopping_early_changes_nothing(model: FCCaptioner, width: int) -> None:
    features = randn(20, 3)
    expected = [slow_beam(model, feature, width, 6, UNKNOWN) for feature in features]
    check_beam(model, features, width, expected, 6, UNKNOWN)


def test_beam_of_one_is_greedy(model: FCCaptioner) -> None:
    features = randn(30, 3)
    single = decode(model, features, DecodeConfig("beam", beam=1, max_length=6))
    plain = decode(model, features, DecodeConfig("greedy", max_length=6))
    assert torch.equal(single.words, plain.words)
    torch.testing.assert_close(single.logprob, plain.logprob)


def test_a_wider_beam_finds_better_captions() -> None:
    model, features = tiny_captioner(12, seed=3, spread=1.5), randn(40, 3)
    found = {width: beam(Stepper(model), features, width, 6).logprob for width in (1, 2, 20)}
    assert found[1].mean() < found[2].mean() < found[20].mean()


# ---- decode


METHODS = [
    DecodeConfig("greedy", max_length=5),
    DecodeConfig("sample", max_length=5),
    DecodeConfig("beam", max_length=5, beam=3),
]


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.method)
def test_logprob_is_that_of_the_caption_and_its_end(model: FCCaptioner, config: DecodeConfig) -> None:
    features = randn(20, 3)
    found = decode(model, features, config, uniform(20, 5))
    for feature, row, logprob in zip(features, found.words.tolist(), found.logprob, strict=True):
        caption = row[: row.index(0) + 1] if 0 in row else row
        assert not any(row[len(caption) :])
        torch.testing.assert_close(logprob, slow_logprob(model, feature, caption).sum().detach())
    torch.testing.assert_close(found.logprob, caption_logprob(model, features, found.words))


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.method)
def test_neither_neighbours_nor_order_matter(model: FCCaptioner, config: DecodeConfig) -> None:
    features, numbers, order = randn(20, 3), uniform(20, 5), torch.tensor([13, 2, 19, 0])
    found, some = decode(model, features, config, numbers), decode(model, features[order], config, numbers[order])
    assert torch.equal(some.words, found.words[order])
    torch.testing.assert_close(some.logprob, found.logprob[order])


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.method)
def test_unknown_is_written_only_if_allowed(config: DecodeConfig) -> None:
    model, features, numbers = wordy(tiny_captioner(), UNKNOWN, 12), randn(20, 3), uniform(20, 5)
    assert not (decode(model, features, config, numbers).words == UNKNOWN).any()
    allowed = DecodeConfig(config.method, config.max_length, unknown=True, beam=config.beam)
    assert (decode(model, features, allowed, numbers).words == UNKNOWN).any(1).all()
    # the log-probability is that of the model that may write it: about -12 a word
    assert (decode(model, features, config, numbers).logprob < -5).all()


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.method)
def test_captions_that_do_not_end_are_cut(config: DecodeConfig) -> None:
    model, features = wordy(tiny_captioner(), 0, -60), randn(6, 3)
    found = decode(model, features, config, uniform(6, 5))
    assert found.words.all()
    for feature, row, logprob in zip(features, found.words.tolist(), found.logprob, strict=True):
        torch.testing.assert_close(logprob, slow_logprob(model, feature, row).sum().detach())
        assert logprob > -40  # no end is counted


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.method)
def test_captions_of_no_word(config: DecodeConfig) -> None:
    found = decode(wordy(tiny_captioner(), 0, 60), randn(6, 3), config, uniform(6, 5))
    assert not found.words.any()
    torch.testing.assert_close(found.logprob, torch.zeros(6, dtype=torch.float64))
