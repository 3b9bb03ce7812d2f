"""This project's side: the steps that `train.py` runs, with run folder, feature store, log and TensorBoard."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.problem import FEATURES, REFERENCES, caption_data, make_problem, sentence_text, vocabulary, write_features
from bench.timing import Cost, clock
from probing_vlp.captioner.decode import decode, decode_words
from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.captioner.stepper import DecodeConfig, make_stepper
from probing_vlp.data.visuals import VisualSource
from probing_vlp.training.rewards import Reward
from probing_vlp.training.self_critical import SCSTConfig, SelfCritical
from probing_vlp.training.session import Session
from probing_vlp.training.supervised import CEConfig, Supervised

DECODING = {"greedy": DecodeConfig("greedy", unknown=True), "beam": DecodeConfig("beam", beam=5)}
"""As the peer decodes: its beam search bans <unk>, its greedy decoding does not."""


@dataclass
class Trainer:
    """A run and its trainers, one a batch size; all train the same weights."""

    session: Session
    by_batch: dict[int, Any]


class Ours:
    """Captioners that start from given weights: one that stays as it is, one for each kind of training."""

    def __init__(self, weights: Mapping[str, np.ndarray], images: int, seed: int, batches: tuple[int, ...]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.folder, self.seed, self.batches = Path(self._folder.name), seed, batches
        self.problem, self.vocabulary = make_problem(images, seed), vocabulary()
        self.weights = {name: torch.from_numpy(value) for name, value in weights.items()}
        self.source = VisualSource(caption_data(self.problem), write_features(self.problem, self.folder / "features"))
        self.images = self.source.data.split("train")
        self.reward = Reward({"cider": 1.0}, {}, self.source, quiet=True)
        self.reward.encode("train", self.images)
        self.model = self._captioner().eval()
        self.trainers = {"ce": self._supervised("ce", batches), "scst": self._self_critical("scst", batches)}
        self.steps: Counter[tuple[str, int]] = Counter()
        self.lengths: list[float] = []

    def close(self) -> None:
        """End the runs and delete their folders."""
        for trainer in self.trainers.values():
            trainer.session.close()
        self._folder.cleanup()

    def ce(self, batch: int, steps: int) -> list[Cost]:
        """Cross-entropy steps, the cost of each."""
        return self._timed("ce", batch, steps)

    def scst(self, batch: int, steps: int) -> list[Cost]:
        """Self-critical steps with greedy baseline and the scorer `cider`, the cost of each."""
        return self._timed("scst", batch, steps)

    def greedy(self, batch: int, images: int) -> list[Cost]:
        """Greedy captions, as validation and the baseline of self-critical training make them; the cost of each
        batch."""
        costs: list[Cost] = []
        stepper = make_stepper(self.model, DECODING["greedy"])
        for start in range(0, images, batch):
            ids = list(range(start, min(start + batch, images)))
            with clock(len(ids), costs):
                decode_words(self.model, self._features(ids), DECODING["greedy"], stepper=stepper)
        return costs

    def greedy_logprob(self, batch: int, images: int) -> list[Cost]:
        """Greedy captions and their log-probabilities, as a dump holds them; the cost of each batch."""
        return self._decode("greedy", batch, images)[0]

    def beam(self, batch: int, images: int) -> list[Cost]:
        """Captions by beam search with their log-probabilities, the cost of each batch."""
        return self._decode("beam", batch, images)[0]

    def cider(self, captions: int, runs: int) -> list[Cost]:
        """CIDEr-D of the candidates by the scorer, the cost of each run; strings are made before."""
        texts, costs = self._candidates(captions), list[Cost]()
        for _ in range(runs):
            with clock(captions, costs):
                self._score(texts)
        return costs

    def cider_scores(self, captions: int) -> np.ndarray:
        """(captions,) CIDEr-D of the candidates."""
        return self._score(self._candidates(captions))

    def ce_loss(self, batch: int) -> float:
        """Cross-entropy of the first batch without dropout."""
        trainer = self._supervised("ce-loss", (batch,), dropout=0.0)
        loss: float = trainer.by_batch[batch].step(1)["loss"]
        trainer.session.close()
        return loss

    def captions(self, images: int, method: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Words (images, 20) by "greedy" or "beam", and their log-probability (images,), the end included."""
        _, words, logprob = self._decode(method, batch, images)
        return words, logprob

    def policy_gradient(self, words: np.ndarray, advantage: np.ndarray, batch: int) -> dict[str, np.ndarray]:
        """The gradient, before it is clipped, of a step's loss for samples of the first batch, without dropout."""
        trainer = self._self_critical("policy-gradient", (batch,))
        found: dict[str, np.ndarray] = {}
        for name, parameter in trainer.session.raw_model.named_parameters():
            parameter.register_hook(lambda gradient, name=name: found.update({name: gradient.numpy().copy()}))
        step: SelfCritical = trainer.by_batch[batch]
        features = self._features([self.images[i].image_id for i in step.stream.rows(1)])
        step.learn(features, torch.from_numpy(words), torch.from_numpy(advantage), None)
        trainer.session.close()
        return found

    def sampled_words(self) -> float:
        """Mean words of the samples of all timed self-critical steps."""
        return float(np.mean(self.lengths))

    def _captioner(self, dropout: float = 0.5) -> FCCaptioner:
        model = FCCaptioner(FEATURES, len(self.vocabulary), FCConfig(dropout=dropout))
        model.load_state_dict(self.weights)
        return model

    def _session(self, name: str, config: CEConfig | SCSTConfig, model: FCCaptioner) -> Session:
        session = Session(config.run, config, False, config.seed, "no")
        session.prepare(model, config.learning_rate, {"kind": name})
        return session

    def _supervised(self, name: str, batches: tuple[int, ...], dropout: float = 0.5) -> Trainer:
        configs = [CEConfig(run=str(self.folder / name), batch_size=batch, seed=self.seed) for batch in batches]
        session = self._session(name, configs[0], self._captioner(dropout))
        return Trainer(
            session,
            {
                config.batch_size: Supervised(config, session, self.source, self.images, self.vocabulary)
                for config in configs
            },
        )

    def _self_critical(self, name: str, batches: tuple[int, ...]) -> Trainer:
        configs = [
            SCSTConfig(run=str(self.folder / name), scorers={"cider": 1.0}, batch_size=batch, seed=self.seed)
            for batch in batches
        ]
        session = self._session(name, configs[0], self._captioner().eval())
        reference = self._captioner().eval()
        return Trainer(
            session,
            {
                config.batch_size: SelfCritical(
                    config, session, self.source, self.images, self.vocabulary, self.reward, reference
                )
                for config in configs
            },
        )

    def _timed(self, part: str, batch: int, steps: int) -> list[Cost]:
        """Steps as `train_to_end` makes them, with their line in the log, after one that is not counted."""
        trainer, costs = self.trainers[part], list[Cost]()
        for _ in range(steps + 1):
            self.steps[part, batch] += 1
            with clock(batch * REFERENCES, costs):
                line = trainer.by_batch[batch].step(self.steps[part, batch])
                trainer.session.step += 1
                trainer.session.folder.log(line)
            self.lengths += [line["length"]] if "length" in line else []
        return costs[1:]

    def _decode(self, method: str, batch: int, images: int) -> tuple[list[Cost], np.ndarray, np.ndarray]:
        costs: list[Cost] = []
        parts = []
        ids = list(range(images))
        stepper = make_stepper(self.model, DECODING[method])
        for start in range(0, images, batch):
            chunk = ids[start : start + batch]
            with clock(len(chunk), costs):
                parts.append(decode(self.model, self._features(chunk), DECODING[method], stepper=stepper))
        return (
            costs,
            np.concatenate([p.words.numpy() for p in parts]),
            np.concatenate([p.logprob.numpy() for p in parts]),
        )

    def _features(self, ids: list[int]) -> torch.Tensor:
        assert self.source.store is not None
        return torch.from_numpy(self.source.store.rows(ids))

    def _candidates(self, captions: int) -> list[str]:
        return [sentence_text(words) for words in self.problem.candidates[:captions]]

    def _score(self, texts: list[str]) -> np.ndarray:
        scores, _ = self.reward("train", range(len(texts)), texts, [True] * len(texts))
        return scores.numpy()
