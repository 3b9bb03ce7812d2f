"""The peer, ruotianluo/self-critical.pytorch, imported from a folder as it stands; nothing in it is written or patched.

Its training script wants CUDA, so the calls of a step are made here: those of its LossWrapper and, around them,
those of its training loop.  Its working FC captioner is "newfc".
"""

import contextlib
import os
import pickle
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.problem import FEATURES, MAX_DECODED, MAX_WORDS, REFERENCES, UNKNOWN, Problem, make_problem
from bench.timing import Cost, clock
from probing_vlp.data.batches import ImageStream

WEIGHTS = {
    "fc_embed": "image",
    "embed": "word",
    "_core.i2h": "input_gates",
    "_core.h2h": "recurrent_gates",
    "logit": "output",
}
"""The peer's layers by their names in our captioner."""
GREEDY = {"sample_method": "greedy", "beam_size": 1, "sample_n": 1}
BEAM = {"sample_method": "greedy", "beam_size": 5, "sample_n": 1, "suppress_UNK": 1}


class Peer:
    """Three copies of one captioner: `model` stays as the warm-up left it, timed steps train the two others."""

    def __init__(self, folder: str, images: int, seed: int) -> None:
        self.problem, self.seed = make_problem(images, seed), seed
        self.labels = np.zeros((images, REFERENCES, MAX_WORDS + 2), np.int64)  # beginning, words, end
        self.labels[:, :, 1:-1] = self.problem.labels
        self.masks = (np.arange(MAX_WORDS + 2) < (self.labels != 0).sum(2, keepdims=True) + 2).astype(np.float32)
        self.options = _options()
        with _quiet():
            self.modules = _import(folder)
            self.modules.rewards.CiderD_scorer = _cider(self.modules, self.problem)
            torch.manual_seed(seed)
            self.model = self.modules.models.setup(self.options)
            self.trained = {part: self._trainable() for part in ("ce", "scst")}
        self.steps: Counter[tuple[str, int]] = Counter()

    def warm(self, steps: int, batch: int = 10) -> float:
        """Cross-entropy steps, so that what the model writes has the length of captions; their last loss."""
        wrapper, optimizer = self.trained["ce"]
        loss = 0.0
        for step in range(1, steps + 1):
            loss = self._step(wrapper, optimizer, self._batch(batch, step), 2e-3, False)
        state = wrapper.model.state_dict()
        self.model.load_state_dict(state)
        with _quiet():
            self.trained = {part: self._trainable() for part in ("ce", "scst")}
        return loss

    def weights(self) -> dict[str, np.ndarray]:
        """The captioner's weights under our names."""
        return self._ours(self.model.state_dict().items())

    def ce(self, batch: int, steps: int) -> list[Cost]:
        """Cross-entropy steps, the cost of each."""
        return self._timed("ce", batch, steps, 5e-4)

    def scst(self, batch: int, steps: int) -> list[Cost]:
        """Self-critical steps with greedy baseline and CIDEr-D, the cost of each."""
        return self._timed("scst", batch, steps, 5e-5)

    def greedy(self, batch: int, images: int) -> list[Cost]:
        """Greedy captions, the cost of each batch."""
        return self._decode(batch, images, GREEDY)[0]

    def greedy_logprob(self, batch: int, images: int) -> list[Cost]:
        """The same: its greedy captions always come with log-probabilities."""
        return self.greedy(batch, images)

    def beam(self, batch: int, images: int) -> list[Cost]:
        """Captions by beam search, the cost of each batch."""
        return self._decode(batch, images, BEAM)[0]

    def cider(self, captions: int, runs: int) -> list[Cost]:
        """CIDEr-D of the candidates, the cost of each run; strings are made before."""
        given, costs = self._cider_input(captions), list[Cost]()
        for _ in range(runs):
            with _quiet(), clock(captions, costs):
                self.modules.rewards.CiderD_scorer.compute_score(*given)
        return costs

    def cider_scores(self, captions: int) -> np.ndarray:
        """(captions,) CIDEr-D of the candidates."""
        with _quiet():
            return np.asarray(self.modules.rewards.CiderD_scorer.compute_score(*self._cider_input(captions))[1])

    def ce_loss(self, batch: int) -> float:
        """Cross-entropy of the first batch without dropout."""
        wrapper = self.modules.LossWrapper(self.model.eval(), self.options)
        with torch.no_grad():
            return float(wrapper(*self._batch(batch, 1), False, False, False)["loss"])

    def captions(self, images: int, method: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Words (images, 20) by "greedy" or "beam", and their total log-probability (images,)."""
        _, words, logprob = self._decode(batch, images, {"greedy": GREEDY, "beam": BEAM}[method])
        return words, logprob

    @torch.no_grad()
    def gap(self, image: int, words: np.ndarray) -> float:
        """How much likelier the peer's greedy word is than that of `words` where the two part, in nats."""
        row, logprob = self.model.eval()(self._features([image]), torch.zeros(1, 0, 0), None, mode="sample", opt=GREEDY)
        at = int(np.flatnonzero(row[0].numpy() != words)[0])
        return float(logprob[0, at, row[0, at]] - logprob[0, at, words[at]])

    def policy_gradient(self, batch: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Samples (N, 20), made-up advantages (N,) and the gradient of the peer's loss for them, without dropout."""
        model = self.model.eval()
        fc, att, *_ = self._batch(batch, 1)
        words, logprob = model(
            fc, att, None, mode="sample", opt={"sample_method": "sample", "beam_size": 1, "sample_n": REFERENCES}
        )
        advantage = np.random.default_rng(self.seed).standard_normal(len(words)).astype(np.float32)
        reward = torch.from_numpy(advantage)[:, None].expand(words.shape)
        model.zero_grad()
        self.modules.losses.RewardCriterion()(logprob, words, reward).backward()
        gradients = self._ours((name, p.grad) for name, p in model.named_parameters() if p.grad is not None)
        model.zero_grad()
        return words.numpy(), advantage, gradients

    @torch.no_grad()
    def sampled_words(self, images: int) -> float:
        """Mean words of a sample from the model that the self-critical steps trained."""
        words, _ = self.trained["scst"][0].model.train()(
            self._features(range(images)),
            torch.zeros(images, 0, 0),
            None,
            mode="sample",
            opt={"sample_method": "sample", "beam_size": 1, "sample_n": REFERENCES},
        )
        return float((words > 0).sum(1).float().mean())

    def _trainable(self) -> tuple[Any, torch.optim.Optimizer]:
        model = self.modules.models.setup(self.options)
        model.load_state_dict(self.model.state_dict())
        return (
            self.modules.LossWrapper(model.train(), self.options),
            torch.optim.Adam(model.parameters(), lr=5e-4, betas=(0.9, 0.999), eps=1e-8),
        )

    def _timed(self, part: str, batch: int, steps: int, learning_rate: float) -> list[Cost]:
        wrapper, optimizer = self.trained[part]
        costs: list[Cost] = []
        for _ in range(steps + 1):  # the first is not counted: it finds cold caches
            self.steps[part, batch] += 1
            given = self._batch(batch, self.steps[part, batch])
            with clock(batch * REFERENCES, costs):
                self._step(wrapper, optimizer, given, learning_rate, part == "scst")
        return costs[1:]

    def _step(
        self,
        wrapper: Any,
        optimizer: torch.optim.Optimizer,
        given: Sequence[Any],
        learning_rate: float,
        self_critical: bool,
    ) -> float:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.zero_grad()
        wrapper.model.train()
        with _quiet():
            loss = wrapper(*given, self_critical, False, False)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_value_(wrapper.model.parameters(), 0.1)
        optimizer.step()
        return float(loss.item())

    def _batch(self, batch: int, step: int) -> tuple[Any, ...]:
        """What LossWrapper takes: features, no regions, labels, masks, no region masks, references and their order."""
        rows = ImageStream(len(self.problem), batch, self.seed).rows(step)
        references = [self.problem.labels[row] for row in rows]
        return (
            self._features(rows),
            torch.zeros(batch, 0, 0),
            torch.from_numpy(self.labels[rows]),
            torch.from_numpy(self.masks[rows]),
            None,
            references,
            torch.arange(batch),
        )

    def _features(self, rows: Sequence[int] | range | np.ndarray) -> Tensor:
        return torch.from_numpy(self.problem.features[np.asarray(rows)])

    @torch.no_grad()
    def _decode(self, batch: int, images: int, options: dict[str, Any]) -> tuple[list[Cost], np.ndarray, np.ndarray]:
        model = self.model.eval()
        costs: list[Cost] = []
        words, totals = [], []
        for start in range(0, images, batch):
            rows = range(start, min(start + batch, images))
            features = self._features(rows)
            with clock(len(rows), costs):
                out, logprob = model(features, torch.zeros(len(rows), 0, 0), None, mode="sample", opt=dict(options))
            words.append(out.numpy())
            totals += (
                [beams[0]["p"] for beams in model.done_beams]
                if options["beam_size"] > 1
                else _chosen(logprob, out).tolist()
            )
        return costs, np.concatenate(words), np.array(totals)

    def _cider_input(self, captions: int) -> tuple[dict[int, list[str]], list[dict[str, Any]]]:
        references = {i: [_as_string(row) for row in self.problem.labels[i]] for i in range(captions)}
        return references, [
            {"image_id": i, "caption": [_as_string(self.problem.candidates[i])]} for i in range(captions)
        ]

    @staticmethod
    def _ours(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, np.ndarray]:
        found = {}
        for name, tensor in tensors:
            layer, _, kind = name.rpartition(".")
            found[f"{WEIGHTS[layer]}.{kind}"] = tensor.detach().numpy().copy()
        return found


def _import(folder: str) -> SimpleNamespace:
    root = os.path.abspath(folder)
    sys.path[:0] = [root, os.path.join(root, "cider")]
    import captioning.models as models
    from captioning.modules import losses
    from captioning.modules.loss_wrapper import LossWrapper
    from captioning.utils import rewards
    from pyciderevalcap.ciderD.ciderD import CiderD

    return SimpleNamespace(models=models, losses=losses, LossWrapper=LossWrapper, rewards=rewards, CiderD=CiderD)


def _options() -> SimpleNamespace:
    vocabulary = {**{str(i): f"w{i}" for i in range(1, UNKNOWN)}, str(UNKNOWN): "UNK"}
    return SimpleNamespace(
        caption_model="newfc",
        vocab_size=UNKNOWN,
        vocab=vocabulary,
        rnn_type="lstm",
        rnn_size=512,
        num_layers=1,
        input_encoding_size=512,
        att_hid_size=512,
        fc_feat_size=FEATURES,
        att_feat_size=2048,
        drop_prob_lm=0.5,
        seq_length=MAX_WORDS,
        max_length=MAX_DECODED,
        use_bn=0,
        logit_layers=1,
        label_smoothing=0,
        use_ppo=0,
        structure_loss_type="new_self_critical",
        structure_loss_weight=1,
        struc_use_logsoftmax=False,
        entropy_reward_weight=0,
        self_cider_reward_weight=0,
        cider_reward_weight=1,
        bleu_reward_weight=0,
        train_sample_n=REFERENCES,
        train_sample_method="sample",
        train_beam_size=1,
        sc_sample_method="greedy",
        sc_beam_size=1,
    )


def _cider(modules: SimpleNamespace, problem: Problem) -> Any:
    """Its scorer with the document frequencies of all references; it reads them from data/NAME.p under the current
    folder."""
    frequency: Counter[tuple[str, ...]] = Counter()
    for group in problem.labels:
        tokens = [_as_string(row).split() for row in group]
        frequency.update({tuple(t[i : i + n]) for t in tokens for n in range(1, 5) for i in range(len(t) - n + 1)})
    back = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "data"))
        with open(os.path.join(folder, "data", "synthetic.p"), "wb") as file:
            pickle.dump({"document_frequency": defaultdict(float, frequency), "ref_len": len(problem)}, file)
        os.chdir(folder)
        try:
            return modules.CiderD(df="synthetic")
        finally:
            os.chdir(back)


def _as_string(row: Iterable[int]) -> str:
    """The peer's form of a caption: ids up to and with the end, joined by blanks."""
    return " ".join([str(int(i)) for i in row if i] + ["0"])


def _chosen(logprob: Tensor, words: Tensor) -> Tensor:
    return logprob.gather(2, words[:, :, None])[:, :, 0].sum(1)


@contextlib.contextmanager
def _quiet() -> Any:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
