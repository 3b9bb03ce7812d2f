"""Answers: log p("Yes") and log p("No") after each question, one forward pass; the greater is the answer.

Answers of several tokens are scored by the sum over them.  A tie goes to the first, "Yes", as in the published code.
Questions about one image are answered together, so that it is read once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.taxonomy.model.features import Table
from probing_vlp.taxonomy.model.language_models import LanguageModel, Prompt
from probing_vlp.taxonomy.model.vlm import VLM
from probing_vlp.taxonomy.prompts import ANSWERS
from probing_vlp.taxonomy.records import Question


@dataclass(frozen=True)
class Asked:
    """Questions as a language model reads them: of each its image, its prompt and the index of the right answer."""

    images: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    gold: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, rows: Iterable[int], table: Table) -> tuple[Tensor, Tensor, list[Prompt], list[int]]:
        """Tokens of the images (I, T, D), the image of each question (B,), its prompt and its right answer."""
        rows = list(rows)
        names = [self.images[row] for row in rows]
        place = {name: number for number, name in enumerate(dict.fromkeys(names))}
        which = torch.tensor([place[name] for name in names])
        tokens = torch.from_numpy(table.tokens(list(place)))
        return tokens, which, [self.prompts[row] for row in rows], [int(self.gold[row]) for row in rows]


def ask(questions: Sequence[Question], lm: LanguageModel) -> Asked:
    """The questions in a model's tokens."""
    return Asked(
        tuple(question.image for question in questions),
        tuple(lm.prompt(question.text) for question in questions),
        np.array([0 if question.gold else 1 for question in questions], dtype=np.int64),
    )


@torch.inference_mode()
def answer(vlm: VLM, table: Table, asked: Asked, batch_size: int = 128, accelerator: Any = None) -> np.ndarray:
    """(n, 2) float64: log probabilities (nats) of `ANSWERS`, in the order of the questions.

    Under several processes each answers a share, and all get the whole.
    """
    order = sorted(range(len(asked)), key=lambda row: asked.images[row])  # stable: one image's questions stand together
    count, index = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    mine = order[len(order) * index // count : len(order) * (index + 1) // count]
    found: dict[int, np.ndarray] = {}
    for start in range(0, len(mine), batch_size):
        rows = mine[start : start + batch_size]
        images, which, prompts, _ = asked.rows(rows, table)
        with accelerator.autocast() if accelerator else torch.autocast("cpu", enabled=False):
            scores = vlm.answer_log_probabilities(images, which, prompts)
        found |= dict(zip(rows, scores.double().numpy(), strict=True))
    if count > 1:
        from accelerate.utils import gather_object

        found = dict(gather_object(list(found.items())))
    return np.stack([found[row] for row in range(len(asked))]) if found else np.zeros((0, len(ANSWERS)))


def predictions(log_probabilities: np.ndarray) -> list[str]:
    """The answers given; of equal ones the first."""
    return [ANSWERS[column] for column in log_probabilities.argmax(1)]
