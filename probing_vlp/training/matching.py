"""Train a small UNITER, ROSITA, ViLBERT or LXMERT to tell matched pairs from mismatched ones.

First its text layers and its image layers are aligned by themselves: symmetric InfoNCE between the means over words and
over regions, through heads that are not kept.  Then the whole model learns each batch's pairs against hard negatives,
which the aligned halves pick (as in ALBEF, Li et al. 2021): cross-entropy of match and mismatch (UNITER, LXMERT, and
ViLBERT's pre-training), and that of the true pair among its negatives (ViLBERT's and ROSITA's for retrieval).

The score is the probability of a match where one pair in 1 + 2 K matches, K being the negatives of either kind.
Left out: word and region prediction, regions' own losses, UNITER's optimal transport.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from probing_vlp import __version__
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.batches import ImageStream
from probing_vlp.data.visuals import VisualSource, open_visuals
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError
from probing_vlp.resuming import plain
from probing_vlp.scorers._mini import read_mini
from probing_vlp.scorers._pairs import RegionScorer
from probing_vlp.scorers.base import load_scorer
from probing_vlp.training.contrastive import Views, info_nce
from probing_vlp.training.hard_negatives import draw_negatives
from probing_vlp.training.matcher import Matcher, matching_loss
from probing_vlp.training.options import ScorerOptions
from probing_vlp.training.pairs import PairTable, padded
from probing_vlp.training.retrieval import estimates, retrieval, summary
from probing_vlp.training.session import Session
from probing_vlp.training.zoo import ARCHITECTURES, UNKNOWN, Sizes, init_weights, save_network, word_list

CUTS = (1, 5, 10)
CHUNK = 512
"""Pairs scored at a time."""


def run(config: ScorerOptions) -> None:
    """Train, keep the best validation, report it on the test split, and save the scorer."""
    source = open_visuals(config.data)
    source.data.split("val")  # says which splits there are
    session = Session(config.run, config, config.resume, config.seed, config.precision)
    if session.accelerator.num_processes > 1:
        raise UserError(f"--arch {config.arch} trains in one process; start it without accelerate launch")
    words, sizes = small_model(config, source)
    with tempfile.TemporaryDirectory() as folder:
        network = ARCHITECTURES[config.arch].network(sizes)
        init_weights(network)
        save_network(Path(folder), config.arch, network, sizes, words, {})
        scorer: Any = load_scorer(config.arch, checkpoint=folder, device=str(session.device))
    tables = {
        split: PairTable(scorer, source.data, images, source.get("regions", images))
        for split in source.data.splits
        for images in [source.data.split(split)]
    }
    trainer = Trainer(config, session, scorer, tables, f"{Vocabulary(tuple(words)).fingerprint}, {sizes.features} wide")
    trainer.fit()
    export(config, trainer, sizes, words)
    session.close()


def small_model(config: ScorerOptions, source: VisualSource) -> tuple[list[str], Sizes]:
    """The words that the model will know, and its sizes."""
    data, options = source.data, config.matching
    train = data.split("train")
    texts = [text for image in train for text in data.captions[image.image_id]]
    texts += [" ".join(tokens) for image in train for tokens in data.tokens[image.image_id]]
    # every caption is there in two forms, which a model that reads lower case takes for one
    words = word_list(texts, ARCHITECTURES[config.arch].lower, 2 * config.min_count)
    width = source.get("regions", train[:1])[0].features.shape[1]
    return words, Sizes(len(words), width, options.hidden, options.layers, options.heads)


class Trainer:
    """The steps of a run."""

    def __init__(
        self,
        config: ScorerOptions,
        session: Session,
        scorer: RegionScorer,
        tables: Mapping[str, PairTable],
        data: str,
    ) -> None:
        """`data`: what words and features the model takes, which must not change on resume."""
        resumed = session.folder.resumed
        if resumed and resumed.state["data"] != data:
            raise UserError(
                f"{config.run}: was begun with other words or features ({resumed.state['data']}; now {data}); give the "
                "same --data, or another --run"
            )
        self.config, self.options, self.session, self.tables = config, config.matching, session, tables
        self.train = tables["train"]
        batch_size = min(self.options.batch_size, len(self.train.images))
        if min(batch_size, self.options.match_batch) < self.options.negatives + 2:  # an image may be there twice
            raise UserError(
                f"--matching.negatives {self.options.negatives}: a step has too few images for that; give fewer, or "
                f"larger batches, or more images than the {len(self.train.images)} to train on"
            )
        self.stream = ImageStream(len(self.train.images), batch_size, config.seed)
        self.model = Matcher(ARCHITECTURES[config.arch], scorer.network.requires_grad_(True), self.options.hidden)
        session.prepare(self.model, self.options.learning_rate, {"data": data})

    def fit(self) -> None:
        """Alignment, then matching; a log line, a validation and a checkpoint every `validate_every` steps."""
        options, session = self.options, self.session
        total = options.align_steps + options.match_steps
        with session.progress(self.config.arch) as progress:
            bar = progress.add_task("", total=total, completed=session.step, note="")
            losses: list[Tensor] = []
            while session.step < total:
                losses.append(self.step())
                progress.update(bar, advance=1)
                if session.step % options.validate_every == 0 or session.step == total:
                    line = self.validate(float(torch.stack(losses).mean()))
                    progress.update(bar, note=f"loss {line['loss']:.3f}, validation r10 {line['val_r10']:.3f}")
                    losses = []

    def step(self) -> Tensor:
        """One update; its loss."""
        options, session = self.options, self.session
        session.step += 1
        # all chance follows from seed and step, so that no generator state need be saved
        torch.manual_seed((self.config.seed << 32) + session.step)
        generator = np.random.default_rng([self.config.seed, session.step])
        aligning = session.step <= options.align_steps
        rows = self.stream.rows(session.step)[: None if aligning else options.match_batch]
        self.model.train()
        with session.accelerator.autocast():
            loss = self.loss(rows, generator, aligning)
        session.update(loss, float("inf"), self.rate(session.step))
        return loss.detach()

    def loss(self, rows: np.ndarray, generator: np.random.Generator, aligning: bool) -> Tensor:
        """Of images `rows` (B,), each with one of its captions; the negatives are among them."""
        options, device = self.options, self.session.device
        ids, words = padded(self.train.draw(rows, options.word_dropout, UNKNOWN, generator), device)
        features, boxes, there = self.train.sight.rows(rows, device)
        regions = self.model.network.embed_regions(functional.dropout(features, options.feature_dropout), boxes, there)
        images, texts = self.model.image_vectors(regions, there), self.model.text_vectors(ids, words)
        views = Views(images, texts, torch.from_numpy(rows).to(device))
        aligned = info_nce(views, views, 0, self.model.scale())
        if aligning:
            return aligned
        return matching_loss(self.pair_logits(views, ids, words, regions, there)) + options.align_weight * aligned

    def pair_logits(self, views: Views, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> Tensor:
        """(B, 1 + 2 K) log-odds of each pair, of its caption with K images, and of its image with K captions."""
        count, own = self.options.negatives, torch.arange(len(ids), device=ids.device)[:, None]
        with torch.no_grad():
            similarity = views.texts @ views.images.T
            generator = torch.Generator().manual_seed((self.config.seed << 32) + self.session.step)
            images, captions = draw_negatives(similarity, views.owner, count, self.options.temperature, generator)
        text = torch.cat([own.expand(-1, 1 + count), captions], 1).flatten()
        image = torch.cat([own, images, own.expand(-1, count)], 1).flatten()
        return self.model.logits(ids[text], words[text], regions[image], there[image]).view(len(ids), -1)

    def rate(self, step: int) -> float:
        """The learning rate: in each part of the run up over 50 steps, then down to a fiftieth in a straight line."""
        options = self.options
        aligning = step <= options.align_steps
        done, of = (step, options.align_steps) if aligning else (step - options.align_steps, options.match_steps)
        top = options.align_rate if aligning else options.learning_rate
        return top * min(1.0, done / 50) * max(0.02, 1 - done / of)

    def validate(self, loss: float) -> dict[str, Any]:
        """Log and keep where the run stands; what is best is chosen once the whole model learns."""
        session, count = self.session, self.options.validate_images
        aligning = session.step <= self.options.align_steps
        scores = self.similarities("val", count) if aligning else self.scores("val", count)
        found = retrieval(scores, np.arange(len(scores)), CUTS)
        shares = {f"val_r{k}": float(found[f"caption_to_image_r{k}"].mean()) for k in CUTS}
        line = {"step": session.step, "loss": loss, "part": "align" if aligning else "match", **shares}
        session.folder.log(line)
        session.save(best=not aligning and session.improved(float(np.mean(list(shares.values())))))
        return line

    @torch.no_grad()
    def similarities(self, split: str, count: int | None = None) -> np.ndarray:
        """(N, N) cosines of images and first captions, of the aligned halves."""
        ids, words, regions, there = self._encoded(split, count)
        images, texts = self.model.image_vectors(regions, there), self.model.text_vectors(ids, words)
        return (images @ texts.T).float().cpu().numpy()

    @torch.no_grad()
    def scores(self, split: str, count: int | None = None) -> np.ndarray:
        """(N, N) probabilities that images match first captions, of the first `count` images."""
        ids, words, regions, there = self._encoded(split, count)
        found = torch.empty(len(ids), len(ids))
        for row in range(len(ids)):
            cut = slice(0, int(words[row].sum()))
            text, mask = ids[row : row + 1, cut], words[row : row + 1, cut]
            parts = [
                self.model.network.match(text.expand(len(r), -1), mask.expand(len(r), -1), r, t)["match"]
                for r, t in zip(regions.split(CHUNK), there.split(CHUNK), strict=True)
            ]
            found[:, row] = torch.cat(parts).float().cpu()
        return found.numpy()

    def _encoded(self, split: str, count: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Ids and words of the first caption of images, their embedded regions and whether these are there."""
        table, device = self.tables[split], self.session.device
        self.model.eval()
        rows = np.arange(len(table.images))[:count]
        ids, words = padded([table.written[row][0] for row in rows], device)
        features, boxes, there = table.sight.rows(rows, device)
        return ids, words, self.model.network.embed_regions(features, boxes, there), there


def export(config: ScorerOptions, trainer: Trainer, sizes: Sizes, words: Sequence[str]) -> None:
    """Save the best validation as a scorer with its retrieval on the test split, one caption an image; print that."""
    best = Checkpoint.load(trainer.session.folder.checkpoint("best"))
    trainer.model.load_state_dict(best.group("model"))
    provenance = {
        "version": __version__,
        "train_images": len(trainer.train.images),
        "step": best.state["step"],
        "config": {key: value for key, value in plain(config).items() if key not in ("run", "export", "resume")},
    }
    before = (read_mini(f"{config.run}/scorer") or {}).get("provenance", {})
    known = before.get("retrieval") if provenance.items() <= before.items() else None
    figures = known or test_figures(trainer, config.seed)
    provenance["retrieval"] = figures
    for folder in filter(None, (f"{config.run}/scorer", config.export)):
        save_network(Path(folder), config.arch, trainer.model.network, sizes, words, {"provenance": provenance})
        print(f"{folder}: the scorer of step {best.state['step']}")
    for split, row in figures.items():
        shares = (f"{name} {row[name]:.3f} [{low:.3f}, {high:.3f}]" for name, (low, high) in row["intervals"].items())
        print(f"{split}, {row['images']} images, one caption each: {', '.join(shares)}".replace("_", " "))


def test_figures(trainer: Trainer, seed: int) -> dict[str, dict[str, Any]]:
    """Retrieval on "test", or on "val" where there is no such split."""
    split = "test" if "test" in trainer.tables else "val"
    count = len(trainer.tables[split].images)
    print(f"scoring all {count} x {count} pairs of {split}", flush=True)
    scores = trainer.scores(split)
    found = retrieval(scores, np.arange(count), CUTS)
    intervals = {name: [e.low, e.high] for name, e in estimates(found, seed).items()}
    return {split: {"images": count, "captions": count, **summary(found), "intervals": intervals}}
