"""Probe: write down what a captioner says, and score it.

python probe.py demo
python probe.py dump  --run runs/ce --split test --scorers '[mini-clip, cider]'
python probe.py score --dump results.json --scorers '[mini-clip]'
python probe.py verify --dump runs/ce/dumps/test.jsonl --scorer mini-clip
python probe.py template --words man horse field
python probe.py check-scorer my_package.my_module:MyScorer
python -m analysis report runs/*/dumps/test.jsonl --out report
"""

from probing_vlp import calibration, check_scorer, crossing, demo, dumping, nearest, story, templating, verifying
from probing_vlp.cli import Command, main
from probing_vlp.data import download, extract, grid, region_report

COMMANDS = {
    "demo": Command(demo.DemoConfig, demo.run, "the whole story on the embedded data, in under ten minutes"),
    "story": Command(story.StoryConfig, story.run, "the probe of one scorer, end to end: train, dump, report"),
    "matrix": Command(crossing.MatrixConfig, crossing.run, "every captioner of those stories under every scorer"),
    "calibrate": Command(
        calibration.CalibrateConfig, calibration.run, "whether the analysis names flaws that were planted into scorers"
    ),
    "data": Command(download.DownloadConfig, download.run, "download COCO and the Karpathy split"),
    "features": Command(extract.ExtractConfig, extract.run, "extract image features with a named backbone"),
    "regions-grid": Command(
        grid.GridConfig, grid.run, "regions of images that have none: cells of a backbone, or finds of a detector"
    ),
    "regions-inspect": Command(
        region_report.InspectConfig,
        region_report.run,
        "what a file of region features holds (regions inspect FILE)",
        "file",
    ),
    "dump": Command(dumping.DumpConfig, dumping.dump, "describe a split with a trained captioner"),
    "nearest": Command(nearest.NearestConfig, nearest.run, "describe a split with captions of similar training images"),
    "score": Command(dumping.ScoreConfig, dumping.score, "score the captions of any dump"),
    "verify": Command(verifying.VerifyConfig, verifying.verify, "what a change of a caption is worth to a scorer"),
    "template": Command(templating.TemplateConfig, templating.run, "visual words in the paper's templates or your own"),
    "check-scorer": Command(
        check_scorer.CheckConfig, check_scorer.run, "whether a scorer, yours too, does what training needs", "scorer"
    ),
}

if __name__ == "__main__":
    main("probe.py", "Write down what a captioner says, and score it.", COMMANDS)
