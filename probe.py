"""Probe: write down what a captioner says, and score it.

python probe.py demo
python probe.py dump  --run runs/ce --split test --scorers '[mini-clip, cider]'
python probe.py score --dump results.json --scorers '[mini-clip]'
python probe.py verify --dump runs/ce/dumps/test.jsonl --scorer mini-clip
python probe.py template --words man horse field
python probe.py check-scorer my_package.my_module:MyScorer
python -m analysis report runs/*/dumps/test.jsonl --out report
"""

from probing_vlp.cli import Command, main

COMMANDS = {
    "demo": Command(
        "probing_vlp.commands.demo:DemoConfig",
        "probing_vlp.commands.demo:run",
        "the whole story on the embedded data, in under ten minutes",
    ),
    "story": Command(
        "probing_vlp.commands.story:StoryConfig",
        "probing_vlp.commands.story:run",
        "the probe of one scorer, end to end: train, dump, report",
    ),
    "matrix": Command(
        "probing_vlp.commands.matrix:MatrixConfig",
        "probing_vlp.commands.matrix:run",
        "every captioner of those stories under every scorer",
    ),
    "calibrate": Command(
        "probing_vlp.commands.calibrate:CalibrateConfig",
        "probing_vlp.commands.calibrate:run",
        "whether the analysis names flaws that were planted into scorers",
    ),
    "data": Command(
        "probing_vlp.data.download:DownloadConfig",
        "probing_vlp.data.download:run",
        "download COCO and the Karpathy split",
    ),
    "features": Command(
        "probing_vlp.data.extract:ExtractConfig",
        "probing_vlp.data.extract:run",
        "extract image features with a named backbone",
    ),
    "regions-grid": Command(
        "probing_vlp.data.grid:GridConfig",
        "probing_vlp.data.grid:run",
        "regions of images that have none: cells of a backbone, or finds of a detector",
    ),
    "regions-inspect": Command(
        "probing_vlp.data.region_report:InspectConfig",
        "probing_vlp.data.region_report:run",
        "what a file of region features holds (regions inspect FILE)",
        "file",
    ),
    "dump": Command(
        "probing_vlp.commands.dump:DumpConfig",
        "probing_vlp.commands.dump:dump",
        "describe a split with a trained captioner",
    ),
    "nearest": Command(
        "probing_vlp.commands.nearest:NearestConfig",
        "probing_vlp.commands.nearest:run",
        "describe a split with captions of similar training images",
    ),
    "score": Command(
        "probing_vlp.commands.score:ScoreConfig", "probing_vlp.commands.score:score", "score the captions of any dump"
    ),
    "verify": Command(
        "probing_vlp.commands.verify:VerifyConfig",
        "probing_vlp.commands.verify:verify",
        "what a change of a caption is worth to a scorer",
    ),
    "template": Command(
        "probing_vlp.commands.template:TemplateConfig",
        "probing_vlp.commands.template:run",
        "visual words in the paper's templates or your own",
    ),
    "check-scorer": Command(
        "probing_vlp.commands.check_scorer:CheckConfig",
        "probing_vlp.commands.check_scorer:run",
        "whether a scorer, yours too, does what training needs",
        "scorer",
    ),
    "taxonomy-run": Command(
        "probing_vlp.taxonomy.model.running:RunConfig",
        "probing_vlp.taxonomy.model.running:run",
        "does a frozen language model carry hypernyms over to what it is shown? the whole grid",
    ),
    "taxonomy-metrics": Command(
        "probing_vlp.taxonomy.answers.metrics_command:MetricsConfig",
        "probing_vlp.taxonomy.answers.metrics_command:run",
        "metrics of a file of answers, from any tool",
        "file",
    ),
    "taxonomy-inspect": Command(
        "probing_vlp.taxonomy.asking.inspecting:InspectConfig",
        "probing_vlp.taxonomy.asking.inspecting:run",
        "what a taxonomy, its images and a condition come to",
    ),
    "taxonomy-lm-only": Command(
        "probing_vlp.taxonomy.language.lm_only:LMOnlyConfig",
        "probing_vlp.taxonomy.language.lm_only:run",
        "what a language model knows of the taxonomy from text alone",
    ),
    "taxonomy-coherence": Command(
        "probing_vlp.taxonomy.model.coherence:CoherenceConfig",
        "probing_vlp.taxonomy.model.coherence:run",
        "how alike the images of a hypernym look, from a file of vectors",
    ),
    "taxonomy-report": Command(
        "probing_vlp.taxonomy.report.making:ReportConfig",
        "probing_vlp.taxonomy.report.making:run",
        "what a run says: verdicts with intervals, figures, tables, photographs",
        "run",
    ),
    "similarity-run": Command(
        "probing_vlp.similarity.study.options:SimilarityConfig",
        "probing_vlp.similarity.running:run",
        "do word representations mirror human experience and the brain? models, conditions, targets",
    ),
    "similarity-compare": Command(
        "probing_vlp.similarity.distances.compare_command:CompareConfig",
        "probing_vlp.similarity.distances.compare_command:run",
        "two files of vectors, ratings or RDMs compared",
        "a b",
    ),
    "similarity-extract": Command(
        "probing_vlp.similarity.encoders.extract_command:ExtractConfig",
        "probing_vlp.similarity.encoders.extract_command:run",
        "representations of words in sentences, to a file",
    ),
}

if __name__ == "__main__":
    main("probe.py", "Write down what a captioner says, and score it.", COMMANDS)
