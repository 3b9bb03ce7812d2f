"""Training curves read from a run's log."""

from pathlib import Path

from report_world import BEFORE, CE, dump_to

from analysis.curves import curve_rows, read_training
from probing_vlp.dump import read_dump


def test_curves_survive_a_kill_and_a_resume(tmp_path: Path) -> None:
    lines = ('{"step": 1, "loss": 3.0}', '{"step": 2, "loss": 2.5, "kl": null}', '{"step": 2, "loss": 2.0}', '{"st')
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    path = dump_to(tmp_path / "dumps" / "test.jsonl", "CE", CE, BEFORE, run="moved/away", step=2)
    training = read_training(read_dump(path))
    assert training.step == 2 and [curve.key for curve in training.curves] == ["loss"]
    assert training.curves[0].steps.tolist() == [1, 2] and training.curves[0].values.tolist() == [3.0, 2.0]
    assert {row.name: (row.value, row.note) for row in curve_rows(training)} == {
        "curve:loss:first": (3.0, "step 1"),
        "curve:loss:lowest": (2.0, "step 2"),
        "curve:loss:highest": (3.0, "step 1"),
        "curve:loss:last": (2.0, "step 2"),
    }


def test_without_the_run_folder_a_note_says_so(tmp_path: Path) -> None:
    training = read_training(read_dump(dump_to(tmp_path / "a" / "test.jsonl", "CE", CE, BEFORE, run="gone")))
    assert training.curves == () and "gone is not on this machine" in training.note
    assert [(row.value, row.note) for row in curve_rows(training)] == [
        (None, "unavailable: its run folder gone is not on this machine")
    ]
