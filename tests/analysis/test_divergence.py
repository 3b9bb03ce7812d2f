"""KL from a run's log, and gains of the score trained on against scores held out."""

import json
from pathlib import Path

import pytest
from drift_toys import EMPTY

from analysis.drift.divergence import gain_rows, kl_row
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord

REWARD = {"signature": {"reward": {"own": 1.0}}}


def scored(name: str, own: list[float | None], other: list[float], **header: object) -> CaptionDump:
    pairs = enumerate(zip(own, other, strict=True))
    return CaptionDump(name, tuple(CaptionRecord(i, "", scores={"own": a, "other": b}) for i, (a, b) in pairs), header)


def test_gains_in_standard_deviations_of_the_first_dump() -> None:
    first = scored("ce", [0, 2, 4], [0, 10, 20])  # standard deviations 2 and 10, divisor n - 1
    after = scored("scst", [2, 4, 6], [0, 5, 20], **REWARD)
    own, held_out, gap = gain_rows(after, first, EMPTY)
    assert own.value == pytest.approx(2 / 2)
    assert held_out.value == pytest.approx((0 - 5 / 10 + 0) / 3)
    assert gap.value == pytest.approx(1 + 0.5 / 3)
    assert (gap.name, gap.note, gap.n) == ("drift:score_gap", "own minus other", 3)
    assert gap.ci_low is not None and gap.ci_high is not None and gap.ci_low <= gap.value <= gap.ci_high


def test_an_image_without_a_score_is_left_out() -> None:
    first = scored("ce", [0, 2, 4], [0, 10, 20])
    own, held_out, gap = gain_rows(scored("scst", [2, None, 6], [0, 5, 20], **REWARD), first, EMPTY)
    assert (own.n, held_out.n, gap.n) == (2, 3, 2)
    assert gap.value == pytest.approx(1)


def test_no_reward_or_nothing_held_out() -> None:
    first = scored("ce", [0, 2], [0, 1])
    assert [row.value for row in gain_rows(first, first, EMPTY)] == [None] * 3
    alone = CaptionDump("x", tuple(CaptionRecord(i, "", scores={"own": 1.0}) for i in range(2)), REWARD)
    assert [row.value is None for row in gain_rows(alone, first, EMPTY)] == [False, True, True]


def test_kl_of_the_step_that_wrote_the_captions(tmp_path: Path) -> None:
    log = [{"step": step, "kl": step / 10} for step in range(1, 31)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, log)))
    row = kl_row(CaptionDump("scst", (), {"run": str(tmp_path), "step": 20, "kind": "scst"}))
    assert row.value == pytest.approx(sum(range(11, 21)) / 100)  # steps 11 to 20
    assert row.n == 10
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 2}\n')
    assert kl_row(CaptionDump("scst", (), {"run": str(tmp_path)})).value is None
    assert kl_row(CaptionDump("other", ())).note.startswith("unavailable: ")
    assert kl_row(CaptionDump("ce", (), {"kind": "ce"})).value == 0
