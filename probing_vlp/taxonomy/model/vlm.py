"""A frozen language model that is shown an image: projected image tokens stand after the first token of the question.

    [e_0, P(v_1) ... P(v_T), e_1, e_2 ...]          P: projector, v: the image's tokens, e: the question's embeddings

What a batch of questions begins with alike (the image, and the words before the article) is read once an image: its
keys and values are shared by the questions about it, and the rest of each is read behind them.  By causality nothing
changes.  Rows are padded in front of that rest, masked, and positions count on over the gap.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.language_models import LanguageModel, Prompt, alike_for

IGNORED = -100


class VLM:
    """Image encoder's tokens, projector, language model."""

    def __init__(self, lm: LanguageModel, projector: nn.Module, insert_after: int = 1, share: bool = True) -> None:
        """`insert_after`: tokens of the question before the image; `share`: read what rows begin with once an image."""
        self.lm, self.projector, self.insert_after, self.share = lm, projector, insert_after, share

    def check(self, prompts: Sequence[Prompt], tokens: int) -> None:
        """UserError if an image of so many tokens and a question do not fit, or the place is not inside a question."""
        if (short := min(len(prompt.ids) for prompt in prompts)) <= self.insert_after:
            raise UserError(f"--insert_after {self.insert_after}: a question has {short} tokens only; give less")
        room = tokens + max(len(prompt.ids) + max(map(len, prompt.answers)) for prompt in prompts)
        if room > self.lm.longest:
            raise UserError(f"{room} tokens of an image and a question, but the language model reads {self.lm.longest}")

    def logits(self, images: Tensor, which: Tensor, sequences: Sequence[Sequence[int]], keep: int) -> Tensor:
        """(B, keep, V) at the last `keep` tokens of B sequences, each about an image of (I, T, D): `which` (B,)."""
        patches = self.projector(images.to(self.lm.device))
        which = which.to(self.lm.device)
        alike = min(alike_for(sequences), min(map(len, sequences)) - keep)
        if self.share and alike >= self.insert_after:
            return self._shared(patches, which, sequences, keep, alike)
        front = torch.tensor([ids[: self.insert_after] for ids in sequences], device=self.lm.device)
        before = self.lm.embed(front)
        after, counts = self._padded([ids[self.insert_after :] for ids in sequences])
        whole = torch.cat([before, patches[which].to(before.dtype), after], 1)
        mask = torch.cat([counts.new_ones(len(whole), whole.shape[1] - counts.shape[1]), counts], 1)
        return self.lm.logits(whole, mask, _positions(mask), keep)

    def _shared(
        self, patches: Tensor, which: Tensor, sequences: Sequence[Sequence[int]], keep: int, alike: int
    ) -> Tensor:
        words = self.lm.embed(torch.tensor([sequences[0][:alike]], device=self.lm.device)).expand(len(patches), -1, -1)
        before, after = words[:, : self.insert_after], words[:, self.insert_after :]
        begun = torch.cat([before, patches.to(words.dtype), after], 1)
        cache = self.lm.read(begun)
        cache.batch_select_indices(which)
        rest, counts = self._padded([ids[alike:] for ids in sequences])
        mask = torch.cat([counts.new_ones(len(rest), begun.shape[1]), counts], 1)
        return self.lm.logits(rest, mask, _positions(mask)[:, begun.shape[1] :], keep, cache)

    def _padded(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Embeddings (B, L, H) padded in front, and (B, L) True where there is a token."""
        width = max(map(len, sequences))
        ids = torch.tensor([[0] * (width - len(each)) + list(each) for each in sequences], device=self.lm.device)
        lengths = torch.tensor([len(each) for each in sequences], device=self.lm.device)
        return self.lm.embed(ids), torch.arange(width, device=self.lm.device) >= width - lengths[:, None]

    def loss(self, images: Tensor, which: Tensor, prompts: Sequence[Prompt], gold: Sequence[int]) -> Tensor:
        """Sum of the cross-entropies (nats) of the right answers' tokens and of the end of text behind each."""
        told = [prompt.answers[right] for prompt, right in zip(prompts, gold, strict=True)]
        end = () if self.lm.end is None else (self.lm.end,)
        sequences = [(*p.ids, *answer, *end)[:-1] for p, answer in zip(prompts, told, strict=True)]
        targets = _targets([(*answer, *end) for answer in told]).to(self.lm.device)
        logits = self.logits(images, which, sequences, targets.shape[1])
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def told(self, prompts: Sequence[Prompt], gold: Sequence[int]) -> int:
        """Tokens that `loss` is a sum over."""
        end = self.lm.end is not None
        return sum(len(prompt.answers[right]) + end for prompt, right in zip(prompts, gold, strict=True))

    def answer_log_probabilities(self, images: Tensor, which: Tensor, prompts: Sequence[Prompt]) -> Tensor:
        """(B, A) float32 on the CPU: log probability (nats) of each answer, summed over its tokens."""
        kinds = len(prompts[0].answers)
        single = all(len(answer) == 1 for prompt in prompts for answer in prompt.answers)
        repeat = 1 if single else kinds  # answers of one token each are read off one and the same place
        answers = [answer for prompt in prompts for answer in prompt.answers]
        rows = [prompt.ids for prompt in prompts] if single else [
            (*prompt.ids, *answer[:-1]) for prompt in prompts for answer in prompt.answers
        ]  # fmt: skip
        targets = _targets(answers).to(self.lm.device)
        logits = self.logits(images, which.repeat_interleave(repeat), rows, targets.shape[1])
        found = logits.log_softmax(-1).repeat_interleave(kinds // repeat, 0)
        scores = found.gather(2, targets.clamp_min(0)[..., None])[..., 0].masked_fill(targets == IGNORED, 0)
        return scores.sum(1).view(len(prompts), kinds).float().cpu()


def _positions(mask: Tensor) -> Tensor:
    return (mask.cumsum(1) - 1).clamp_min(0)


def _targets(answers: Sequence[Sequence[int]]) -> Tensor:
    """(B, L) with each row's tokens at its end, the rest ignored."""
    width = max(map(len, answers))
    return torch.tensor([[IGNORED] * (width - len(each)) + list(each) for each in answers])
