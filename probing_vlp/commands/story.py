"""`probe.py story --scorer NAME`: the probe of one scorer from end to end, each chapter the command a user would type.

CE training, self-critical training towards the scorer, dumps of both, what of the change the scorer pays for, and the
report on all of it.  With --checkpoint (and --regions) the scorer is the published model; without, a mini one is
trained first, on the same data.  What several stories share (features, regions, the CE captioner) lies in OUT and is
made once.  Run again after an interruption, a story goes on where it was.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from probing_vlp.commands.chapters import Chapter, tell
from probing_vlp.errors import UserError

ZOO = ("uniter", "rosita", "vilbert", "lxmert", "clip")
"""Architectures that `train.py scorer --arch` can train."""
ON_PIXELS = ("clip",)
"""Those of them that look at photographs and need no regions."""


@dataclass
class StoryConfig:
    """The probe of one scorer."""

    scorer: str
    """Whose taste is probed: a name or package.module:Class."""
    out: str = "runs"
    """Folder for all that is made: OUT/ce, OUT/NAME and its report in OUT/NAME/report."""
    checkpoint: str = ""
    """Published weights of the scorer, in its authors' file; without them a mini one is trained."""
    model_config: str = ""
    """Its authors' config, where the weights do not say it all."""
    vocab: str = ""
    """Its vocab.txt, for a machine that is offline."""
    regions: str = ""
    """Region features that it looks at, in any format that `probe.py regions inspect` knows."""
    source: str = "embedded"
    """Captions: "embedded", a Karpathy JSON file, a folder of captions_{train,val,test}.json, or
    IMAGES_DIR,captions.csv."""
    features: str = ""
    """What the captioner sees: a folder that `probe.py features` made; by itself one is made of the photographs."""
    images: str = ""
    """Folder of the photographs; needed unless the data are embedded."""
    ce: str = "configs/sample-ce.yaml"
    """How the captioner is trained by cross-entropy; configs/ce.yaml is the paper's way."""
    scst: str = "configs/sample-scst.yaml"
    """How it is trained towards the score; configs/scst.yaml is the paper's way."""


def run(config: StoryConfig) -> None:
    """Tell it."""
    if config.source != "embedded" and not config.images and not (config.features and config.regions):
        raise UserError("photographs are needed: give --images FOLDER, or both --features and --regions")
    if config.scorer in ON_PIXELS and not config.images:
        raise UserError(f"{config.scorer} looks at photographs: give --images FOLDER (IMAGES=FOLDER to make)")
    tell(chapters(config))
    print(f"\nThe report: {Path(config.out, config.scorer, 'report', 'index.html').absolute()}")


def chapters(config: StoryConfig) -> list[Chapter]:
    """What is done and the command that does it."""
    data = data_words(config)
    made, options = scorer_chapters(config)
    ce, scst = f"{config.out}/ce", f"{config.out}/{config.scorer}"
    towards = ["--scorers", json.dumps({config.scorer: 1.0}), "--options", json.dumps({config.scorer: options})]
    scored = [
        "--scorers",
        json.dumps(list(dict.fromkeys([config.scorer, "cider"]))),
        "--options",
        json.dumps({config.scorer: options}),
    ]
    dumps = [f"{run}/dumps/test.jsonl" for run in (ce, scst)]
    return [
        *feature_chapter(config),
        *made,
        (
            "train a captioner by cross-entropy",
            ["train.py", "ce", "--config", config.ce, "--run", ce, *data, "--resume"],
        ),
        (
            f"train it on towards the score of {config.scorer}",
            ["train.py", "scst", "--config", config.scst, "--run", scst, "--init", ce, *towards, *data, "--resume"],
        ),
        ("describe the test photographs with the first", ["probe.py", "dump", "--run", ce, "--name", "CE", "--resume"]),
        (
            "describe them with the second",
            ["probe.py", "dump", "--run", scst, "--name", f"SCST {config.scorer}", *scored, "--resume"],
        ),
        (f"score the first with {config.scorer}", ["probe.py", "score", "--dump", dumps[0], *scored, *data]),
        *ending(config.scorer, options, dumps, scst, [*data, *shown(config)]),
    ]


def ending(
    scorer: str, options: Mapping[str, str], dumps: Sequence[str], out: str, data: Sequence[str]
) -> list[Chapter]:
    """What changed in the captions of two dumps, what of it the scorer pays for, and the report, all under `out`.

    `data` are options of the data, and "--images FOLDER" for the report.
    """
    place = data.index("--images") if "--images" in data else len(data)
    asked = [
        "--scorers",
        json.dumps([scorer]),
        *(["--options", json.dumps({scorer: options})] if options else []),
        *data[:place],
    ]
    doses = ["--drift", f"{out}/verification/drift.json", "--out", f"{out}/verification", "--resume"]
    told = ["--verification", f"{out}/verification/verification.jsonl", *data[place:]]
    return [
        ("what changed in the captions", ["-m", "analysis", "drift", *dumps, "--out", f"{out}/verification"]),
        (f"what {scorer} pays for", ["probe.py", "verify", "--dump", dumps[0], *asked, *doses]),
        ("the report", ["-m", "analysis", "report", *dumps, "--out", f"{out}/report", *told]),
    ]


def data_words(config: StoryConfig) -> list[str]:
    """Options that say what the captioner is trained on."""
    images = ["--data.images", config.images] if config.images else []
    if config.source == "embedded":
        return images
    return ["--data.source", config.source, "--data.features", config.features or f"{config.out}/features", *images]


def shown(config: StoryConfig) -> list[str]:
    """Options that show the photographs."""
    return ["--images", config.images] if config.images else []


def feature_chapter(config: StoryConfig) -> list[Chapter]:
    """Features for the captioner, where they have to be made."""
    if config.source == "embedded" or config.features:
        return []
    words = ["--images", config.images, "--data", config.source, "--backbone", "efficientnet-lite0"]
    return [("extract image features", ["probe.py", "features", *words, "--out", f"{config.out}/features", "--resume"])]


def scorer_chapters(config: StoryConfig) -> tuple[list[Chapter], dict[str, str]]:
    """What makes the scorer, and its options."""
    given = {"checkpoint": config.checkpoint, "config": config.model_config, "vocab": config.vocab}
    options = {key: value for key, value in {**given, "region_file": config.regions}.items() if value}
    if config.checkpoint or config.scorer not in ZOO:
        return [], options
    made, regions = region_chapter(config)
    run = f"{config.out}/mini/{config.scorer}"
    seen = ["--data.regions", regions] if regions else []
    words = ["--arch", config.scorer, "--run", run, *data_words(config), *seen, "--resume"]
    made.append((f"train a mini {config.scorer}", ["train.py", "scorer", *words]))
    return made, {"checkpoint": f"{run}/scorer", **({"region_file": regions} if regions else {})}


def region_chapter(config: StoryConfig) -> tuple[list[Chapter], str]:
    """Regions for a mini scorer, and where they are: the embedded data have no photographs to make them of."""
    if config.scorer in ON_PIXELS:
        return [], ""
    if config.regions or config.source == "embedded":
        return [], config.regions or "features"
    out = f"{config.out}/regions"
    words = ["--images", config.images, "--data", config.source, "--cells", "3", "--out", out, "--resume"]
    return [("make grid regions", ["probe.py", "regions", "grid", *words])], out
