"""What a causal language model answers to a question in text alone, and how likely the question is.

Two rules, as in section 6 of the specification's paper and beside it:

    ranks        Yes if the better rank of the tokens "Yes", "yes" in the next-token distribution is above that of "No",
                 "no" (the paper's rule; only where all four are single tokens)
    sums         Yes if log p("Yes") >= log p("No"), each summed over its tokens (the rule of the images' questions)

A tokenizer with a chat template is given the question as the user's turn, thinking off, and the answer follows the
generation prompt; one without, the question and the answer after a space.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from probing_vlp.taxonomy.model.language_models import LanguageModel, Prompt
from probing_vlp.taxonomy.prompts import ANSWERS

SPELLINGS = (("Yes", "yes"), ("No", "no"))


class Scores(NamedTuple):
    """Of n questions."""

    logp: np.ndarray
    """(n, 2) float64: log probabilities of `ANSWERS`, in nats."""
    ranks: np.ndarray | None
    """(n, 2) int64: best rank of the spellings of each, from 0; None where a spelling is no single token."""

    def says_yes(self, rule: str) -> np.ndarray:
        """(n,) bool by the rule "ranks" (where there are ranks) or "sums"."""
        if rule == "ranks" and self.ranks is not None:
            return self.ranks[:, 0] < self.ranks[:, 1]
        return self.logp[:, 0] >= self.logp[:, 1]


class Answerer:
    """A language model that is asked in text."""

    def __init__(self, lm: LanguageModel, name: str, chat: bool = True, batch_size: int = 64) -> None:
        self.lm, self.name, self.batch_size = lm, name, batch_size
        self.chat = chat and bool(getattr(lm.tokenizer, "chat_template", None))

    def prompt(self, question: str) -> Prompt:
        """The question's tokens and its answers'."""
        if not self.chat:
            return self.lm.prompt(question)
        text = self.lm.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, enable_thinking=False, tokenize=False
        )
        return Prompt(tuple(self._ids(text)), tuple(tuple(self._ids(answer)) for answer in ANSWERS))

    @torch.inference_mode()
    def score(self, questions: Sequence[str]) -> Scores:
        """Both rules' numbers for each question."""
        prompts = [self.prompt(question) for question in questions]
        spelled = self._spelled() if all(len(a) == 1 for p in prompts for a in p.answers) else None
        parts = [
            self._score(prompts[i : i + self.batch_size], spelled) for i in range(0, len(prompts), self.batch_size)
        ]
        logp = np.concatenate([part[0] for part in parts]) if parts else np.zeros((0, 2))
        return Scores(logp, np.concatenate([part[1] for part in parts]) if parts and spelled else None)

    @torch.inference_mode()
    def fluency(self, questions: Sequence[str]) -> np.ndarray:
        """(n,) float64: mean log probability a token of each question, in nats, from its second token on."""
        found = []
        for start in range(0, len(questions), self.batch_size):
            ids = [self.lm.prompt(question).ids for question in questions[start : start + self.batch_size]]
            logp = self._log_probabilities(ids, max(map(len, ids)))
            found += [_path(row, path[1:], 1) / max(1, len(path) - 1) for row, path in zip(logp, ids, strict=True)]
        return np.array(found)

    def _score(
        self, prompts: Sequence[Prompt], spelled: Sequence[Sequence[int]] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if spelled:
            logp = self._log_probabilities([prompt.ids for prompt in prompts], 1)[:, -1]
            of = torch.tensor([[answer[0] for answer in prompt.answers] for prompt in prompts])
            best = torch.stack([logp[:, list(ids)].max(1).values for ids in spelled], 1)
            ranks = (logp[:, None, :] > best[:, :, None]).sum(2)
            return logp.gather(1, of).double().numpy(), ranks.numpy()
        columns = []
        for number in range(len(ANSWERS)):
            paths = [(prompt.ids, prompt.answers[number]) for prompt in prompts]
            logp = self._log_probabilities([ids + answer[:-1] for ids, answer in paths], max(len(a) for _, a in paths))
            columns.append([_path(row, answer, 0) for row, (_, answer) in zip(logp, paths, strict=True)])
        return np.array(columns).T, np.zeros((len(prompts), 2), np.int64)

    def _log_probabilities(self, ids: Sequence[Sequence[int]], keep: int) -> Tensor:
        """(B, keep, V): of what follows each of the last `keep` tokens; padding stands on the left."""
        device = self.lm.device
        flipped = [torch.tensor(list(row)[::-1]) for row in ids]
        tokens = pad_sequence(flipped, batch_first=True, padding_value=0).flip(1).to(device)
        mask = pad_sequence([torch.ones_like(row) for row in flipped], batch_first=True).flip(1).bool().to(device)
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)
        logits = self.lm.logits(self.lm.embed(tokens), mask, positions, keep)
        return logits.log_softmax(-1).cpu()

    def _spelled(self) -> list[list[int]] | None:
        """Token ids of the spellings of each answer; None if one of them is no single known token."""
        space, unknown = "" if self.chat else " ", self.lm.tokenizer.unk_token_id
        ids = [[self._after(space + spelling) for spelling in group] for group in SPELLINGS]
        if any(len(one) != 1 or one[0] == unknown for group in ids for one in group):
            return None
        return [[one[0] for one in group] for group in ids]

    def _after(self, answer: str) -> list[int]:
        """Tokens of an answer behind a question mark."""
        mark = self._ids("?")
        whole = self._ids(f"?{answer}")
        return whole[len(mark) :] if whole[: len(mark)] == mark else self._ids(answer)

    def _ids(self, text: str) -> list[int]:
        return list(self.lm.tokenizer(text, add_special_tokens=False)["input_ids"])


def _path(logp: Tensor, path: Sequence[int], before: int) -> float:
    """Sum of the log probabilities of the tokens `path`; the last `before` rows of `logp` (keep, V) come after them."""
    if not path:
        return 0.0
    rows: Any = logp[len(logp) - len(path) - before : len(logp) - before]
    return float(rows.double().gather(1, torch.tensor(list(path))[:, None]).sum())
