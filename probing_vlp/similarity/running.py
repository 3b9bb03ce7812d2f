"""`probe.py similarity run`: every model, condition, target, subset and layer mode, with intervals, twins and a report.

python probe.py similarity run --config configs/similarity.yaml
python probe.py similarity run --ratings ratings.csv --words words.csv --models '{bert: bert-base-uncased}'
python probe.py similarity run --brain 'rsms/voxel_spearman_mat_*.txt' --brain_words words.csv

    OUT/results.csv    tidy rows (rows.py); results.json the same with settings and sources
    OUT/rdms/          distances of targets and of every trained model and condition, for `similarity compare`
    OUT/report/        index.html, its tables and figures
    OUT/scores/        what a second run need not make again

A model that lacks more than a tenth of the words is scored on the words that all models know, subset "shared", on
which the others are scored too: only there can it be compared with them.
"""

from probing_vlp.similarity.study.options import SimilarityConfig


def run(config: SimilarityConfig) -> None:
    """Measure and report; a second run makes only what changed."""
    from probing_vlp.similarity.report.making import publish
    from probing_vlp.similarity.study.campaign import measure

    findings = measure(config)
    path = publish(findings)
    print(f"{len(findings.rows):,} rows: {config.out / 'results.csv'}")
    print(f"report: {path}")
