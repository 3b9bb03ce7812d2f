"""Bad input to every command: exit code 2, one line on stderr that begins with "error:", and nothing written.

Each case is a row: a name, the command, a part of the line that is expected, and what is spoilt beforehand.  The files
of the place are compared before and after.
"""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from bad_places import (
    CE,
    DEMO,
    DOWNLOAD,
    DUMP,
    FEATURES,
    NEAREST,
    REPORT,
    SCORE,
    SCORER,
    SCST,
    UNIGRAMS,
    Spoil,
    check_refused,
    cut,
    cut_lines,
    cut_test_pictures,
    foreign_checkpoint,
    listing,
    no_features,
    no_json_but_a_picture,
    no_test_pictures,
    one_image_less,
    other_captions,
    other_width,
    pages_for_pictures,
    remove,
    some_features,
    stray_annotation,
    words,
    write,
)
from programs import Programs

from probing_vlp.checkpoints import Checkpoint


class Case(NamedTuple):
    name: str
    command: str
    message: str
    spoil: Spoil = lambda place: None


def without(option: str, command: str) -> str:
    """The command without `--option VALUE` or `--option.KEY VALUE`."""
    return re.sub(rf" --{option}(\.\S+)? \S+", "", command)


IN_CE = {name: command.replace("{}/new", "{}/ce") for name, command in (("ce", CE), ("scst", SCST), ("scorer", SCORER))}
RESUMED = f"{IN_CE['ce']} --resume"
NOTHING = [(name, command.replace("{}/ce", "{}/nothing")) for name, command in (("scst", SCST), ("dump", DUMP))]
BRIGHTNESS = " --scorers.toy_scorers:Brightness 1 --data.images {}/images"
BRIGHT_SCST = without("scorers", SCST) + BRIGHTNESS
BRIGHT_DUMP = f"{DUMP} --split val --scorers [toy_scorers:Brightness] --data.images {{}}/images"
PHOTO_REPORT = REPORT.replace("--photos none", "--images {}/images")
ON_DATA = (
    ("ce", CE),
    ("scst", SCST),
    ("scorer", SCORER),
    ("dump", DUMP),
    ("nearest", NEAREST),
    ("score", SCORE),
    ("features", FEATURES),
    ("report", REPORT),
    ("unigrams", UNIGRAMS),
)
ON_FEATURES = ON_DATA[:5]
ON_DUMPS = (("score", SCORE), ("report", REPORT), ("unigrams", UNIGRAMS))
BROKEN = write("data/captions_train.json", '{"images": [')
BEST, LAST = "ce/checkpoints/best.safetensors", "ce/checkpoints/last.safetensors"

DATA = [
    Case(f"{name}: {what}", command, message, spoil)
    for name, command in ON_DATA
    for what, message, spoil in (
        ("captions that are no JSON", "captions_train.json, line 1: not JSON", BROKEN),
        ("annotation for an unknown image", "annotation 7 is for image 999, which is unknown", stray_annotation),
        ("captions that are a picture", "captions_val.json: not JSON", no_json_but_a_picture),
    )
]
FILES = [
    Case(f"{name}: {what}", command, message, spoil)
    for name, command in ON_FEATURES
    for what, message, spoil in (
        ("no features", "no such feature index", no_features),
        ("features cut", "not a whole .npy file", cut("features/features.npy")),
        ("features of some images only", "image(s): ", some_features),
    )
]
NO_VAL = remove("data/captions_val.json")
SPLITS = [
    Case(f"{name}: empty split", command, "split 'val' is empty; there are: train, test", NO_VAL)
    for name, command in (
        ("ce", CE),
        ("scst", SCST),
        ("scorer", SCORER),
        ("dump", f"{DUMP} --split val"),
        ("nearest", f"{NEAREST} --split val"),
    )
]
NAMES = [
    Case(
        "scst: unknown scorer",
        without("scorers", SCST) + " --scorers.mini_clip 1",
        "unknown scorer 'mini_clip'; did you mean mini-clip",
    ),
    Case("dump: unknown scorer", f"{DUMP} --scorers [mimi-clip]", "unknown scorer 'mimi-clip'; did you mean mini-clip"),
    Case(
        "score: unknown scorer",
        without("scorers", SCORE) + " --scorers [ciderd]",
        "unknown scorer 'ciderd'; did you mean cider",
    ),
    Case(
        "scst: scorer of a module that is not there",
        without("scorers", SCST) + " --scorers.nowhere:Scorer 1",
        "there is no module nowhere",
    ),
    Case(
        "features: unknown backbone",
        without("backbone", FEATURES) + " --backbone resnet11",
        "unknown backbone 'resnet11'; did you mean resnet101",
    ),
    Case("report: unknown analysis", f"{REPORT} --skip [metric]", "--skip metric: no such analysis; there are metrics"),
    Case("no command", "train.py", "command"),
    Case("unknown command", "train.py sct", "sct"),
]
UNITER = without("scorers", SCORE) + " --scorers [uniter] --options.uniter"
SCORERS = [
    Case("score: a list for a checkpoint", f"{UNITER}.checkpoint [a]", "uniter: checkpoint is ['a'], not a path; give"),
    Case(
        "score: a mapping for a config",
        f"{UNITER}.config '{{a: 1}}'",
        "uniter: config is {'a': 1}, not a path; give",
    ),
    Case(
        "score: an empty path",
        f"""{UNITER}.vocab "''" """,
        "scorer uniter: vocab is '', not a path; give one, or leave it out",
    ),
    Case(
        "score: trust that is neither true nor false",
        f"{UNITER}.checkpoint none.pt {UNITER.split()[-1]}.trust_pickle maybe",
        "scorer uniter: trust_pickle is 'maybe'; it must be true or false",
    ),
    Case(
        "score: a device that is not there",
        f"{UNITER}.checkpoint none.pt {UNITER.split()[-1]}.device nonsense",
        "device 'nonsense' cannot be used (",
    ),
    Case(
        "score: an option that is no YAML", f"{UNITER}.score '[a'", "--options.uniter.score [a: is no value that YAML"
    ),
    Case(
        "scst: a class of one's own that fails",
        without("scorers", SCST) + " --scorers.toy_scorers:Unmade 1",
        "toy_scorers:Unmade: cannot be made (RuntimeError: no weights here); mend its __init__",
    ),
]
REWARDS = [
    Case(
        "scst: NaN for every sample",
        without("scorers", SCST) + " --scorers.toy_scorers:Unscored 1",
        "toy_scorers:Unscored gave NaN for all 16 captions of the batch",
    ),
    Case("scst: no reward", without("scorers", SCST) + " --scorers.cider 0", "no reward: give at least one scorer"),
    Case("scst: a scorer without its images", without("data.images", BRIGHT_SCST), "give --data.images"),
]
OPTIONS = [
    Case(f"{name}: unknown option", f"{command} {option} 1", f"unknown option {option}; did you mean {meant}")
    for name, command, option, meant in (
        ("ce", CE, "--bach_size", "--batch_size"),
        ("scst", SCST, "--sample", "--samples"),
        ("scorer", SCORER, "--dropot", "--dropout"),
        ("dump", DUMP, "--decoding.beem", "--decoding.beam"),
        ("nearest", NEAREST, "--splt", "--split"),
        ("score", SCORE, "--outt", "--out"),
        ("features", FEATURES, "--backbon", "--backbone"),
        ("data", DOWNLOAD, "--retrys", "--retries"),
        ("demo", DEMO, "--imges", "--images"),
        ("report", REPORT, "--photo", "--photos"),
        ("unigrams", UNIGRAMS, "--drawz", "--draws"),
    )
]
YAML = [
    Case(f"{name}: {what}", f"{command} --config {{}}/bad.yaml", f"bad.yaml: {message}", write("bad.yaml", text))
    for name, command in (("ce", CE), ("dump", DUMP), ("report", REPORT))
    for what, message, text in (
        ("YAML that is none", "not a YAML file of options: while parsing", "dat: [1"),
        ("YAML with an unknown key", "unknown option dat; did you mean --data", "dat: 1"),
    )
]
VALUES = [
    Case("ce: no such config", f"{CE} --config {{}}/none.yaml", "none.yaml"),
    Case("ce: a word for a number", f"{CE} --batch_size many", "batch_size"),
    Case("ce: no images a step", f"{CE} --batch_size 0", "--batch_size 0: must be 1 or more"),
    Case("ce: no units", f"{CE} --captioner.hidden 0", "hidden 0: must be 1 or more"),
    Case("scst: no samples", f"{SCST} --samples 0", "--samples 0: must be 1 or more"),
    Case(
        "scst: one sample held against the others",
        f"{SCST} --samples 1 --baseline leave-one-out",
        "--samples 1: must be 2 or more",
    ),
    Case("scorer: no captions a step", f"{SCORER} --batch_size 0", "--batch_size 0: must be 1 or more"),
    Case("dump: no words", f"{DUMP} --decoding.max_length 0", "max_length 0: must be 1 or more"),
    Case("dump: an unknown way to decode", f"{DUMP} --decoding.method greedi", "greedi"),
    Case("features: no images at once", f"{FEATURES} --batch_size 0", "--batch_size 0"),
]
CHECKPOINTS = [
    *(
        Case(f"{name}: the folder holds a run", command, "holds a run already; give --resume")
        for name, command in IN_CE.items()
    ),
    *(Case(f"{name}: no checkpoint", command, "holds no checkpoint; train one first") for name, command in NOTHING),
    *(
        Case(f"{name}: checkpoint cut", command, "not a checkpoint of this project", cut(BEST))
        for name, command in (("scst", SCST), ("dump", DUMP))
    ),
    *(
        Case(
            f"{name}: features of another width than the checkpoint's",
            command,
            "was trained on features toy of width 16; those given are toy of width 12",
            other_width,
        )
        for name, command in (("ce", RESUMED), ("scst", SCST), ("dump", DUMP))
    ),
    Case("ce: vocabulary of another checkpoint", RESUMED, "has a vocabulary of 18 words", other_captions),
    Case("ce: resumed with another size", f"{RESUMED} --captioner.hidden 8", "other options (captioner.hidden: 32)"),
    Case("ce: last checkpoint cut", RESUMED, "not a checkpoint of this project", cut(LAST)),
    Case("dump: checkpoint of something else", DUMP, "is not the checkpoint of a captioner", foreign_checkpoint),
]
PICTURES = [
    Case("scst: missing image", BRIGHT_SCST, "1 of 16 images are missing in", remove("images/val_40.jpg")),
    Case("scst: truncated JPEG", BRIGHT_SCST, "val_40.jpg: not a whole image", cut("images/val_40.jpg")),
    Case("dump: missing image", BRIGHT_DUMP, "1 of 16 images are missing in", remove("images/val_40.jpg")),
    Case("dump: truncated JPEG", BRIGHT_DUMP, "val_40.jpg: not a whole image", cut("images/val_40.jpg")),
    Case("features: missing image", FEATURES, "1 of 64 images are missing", remove("images/val_40.jpg")),
    Case("features: truncated JPEG", FEATURES, "train_1.jpg: not a whole image", cut("images/train_1.jpg")),
    Case("features: a web page for an image", FEATURES, "train_1.jpg: not a whole image", pages_for_pictures),
    Case("report: missing photograph", PHOTO_REPORT, "no such image", no_test_pictures),
    Case("report: truncated JPEG", PHOTO_REPORT, "not a readable picture", cut_test_pictures),
]
DUMPS = [
    *(
        Case(f"{name}: dump {what}", command, f"test.jsonl, line {line}", spoil)
        for name, command in ON_DUMPS
        for what, line, spoil in (
            ("cut in the middle of a line", "17: not JSON", cut("test.jsonl", 0.99)),
            ("cut at the end of a line", "15: the file ends after 14 of 16 captions", cut_lines("test.jsonl", 2)),
            ("of another program", "1: not a caption dump", write("test.jsonl", '{"captions": []}\n')),
        )
    ),
    *(
        Case(f"{name}: no such dump", command.replace("test.jsonl", "none.jsonl"), "none.jsonl: no such dump")
        for name, command in ON_DUMPS
    ),
    Case("score: an image that the data lack", SCORE, "image 64 is not in the data", one_image_less),
    Case(
        "score: a caption that cannot be written",
        SCORE.replace("test.jsonl", "half.json"),
        "half.json, entry 0: its caption holds half of a surrogate pair",
        write("half.json", '[{"image_id": 49, "caption": "a \\ud800 dog"}]'),
    ),
    Case(
        "score: a dump made from data of another kind",
        SCORE.replace("test.jsonl", "other.jsonl"),
        'other.jsonl: its config.data has foo "1", which is no option of the data; the options are source, features',
        write(
            "other.jsonl", '{"format": "caption-dump", "version": 1, "count": 0, "config": {"data": {"foo": "1"}}}\n'
        ),
    ),
]
FILE = write("file", "kept")
PLACES = [
    Case(
        "features: the folder is there",
        FEATURES.replace("{}/new", "{}/features"),
        "made with another dim (16 there, 6 now)",
    ),
    Case("dump: out is a folder", DUMP.replace("{}/new.jsonl", "{}/images"), "images: is a folder"),
    Case(
        "score: out is a folder", SCORE.replace("{}/new.jsonl", "{}/images"), "images: is a folder; name the dump file"
    ),
    Case(
        "score: out is below a file",
        SCORE.replace("{}/new.jsonl", "{}/file/new.jsonl"),
        "file/new.jsonl: cannot be written in",
        FILE,
    ),
    Case(
        "score: out has no room for scores",
        SCORE.replace("new.jsonl", "new.json"),
        "new.json: COCO results hold captions alone; for the scores too give --out new.jsonl",
    ),
    Case(
        "dump: out has no room for scores",
        DUMP.replace("new.jsonl", "new.json") + " --scorers [cider]",
        "new.json: COCO results hold captions alone",
    ),
    Case("score: out is where nothing can be written", SCORE.replace("{}/new", "/proc/new"), "in /proc (No such file"),
    Case("nearest: out is a folder", NEAREST.replace("{}/new.jsonl", "{}/images"), "images: cannot be used (Is a dir"),
    Case("ce: run is a file", CE.replace("{}/new", "{}/file"), "file: is a file; --run takes a folder", FILE),
    Case("data: out is a file", DOWNLOAD.replace("{}/new", "{}/file"), "file: cannot be used (File exists)", FILE),
    Case("report: out is a file", REPORT.replace("{}/new", "{}/file"), "file: is a file", FILE),
]
CASES = [
    *DATA,
    *FILES,
    *SPLITS,
    *NAMES,
    *SCORERS,
    *REWARDS,
    *OPTIONS,
    *YAML,
    *VALUES,
    *CHECKPOINTS,
    *PICTURES,
    *DUMPS,
    *PLACES,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_in_one_line_with_nothing_written(case: Case, place: Path, programs: Programs) -> None:
    case.spoil(place)
    before = listing(place)
    check_refused(programs.run(*words(case.command, place)), case.message)
    assert listing(place) == before


@pytest.mark.parametrize("command", [CE, DUMP, UNIGRAMS], ids=["train.py", "probe.py", "analysis"])
def test_a_new_interpreter_says_no_more(command: str, place: Path, programs: Programs) -> None:
    """The other tests fork; here nothing is imported beforehand, and the interpreter is left as usual."""
    BROKEN(place)
    check_refused(programs.run(*words(command, place), cold=True), "captions_train.json, line 1: not JSON")


def test_a_vocabulary_of_another_start(place: Path, programs: Programs) -> None:
    """SCST resumed after the CE run that it began with was trained anew on other captions."""
    programs.run(*words(SCST, place)).succeeded()
    other_captions(place)
    shutil.rmtree(place / "ce")
    programs.run(*words(IN_CE["ce"], place)).succeeded()
    before = listing(place)
    ended = programs.run(*words(f"{SCST} --resume", place))
    check_refused(ended, "new/checkpoints/last.safetensors: has a vocabulary of")
    assert listing(place) == before


def test_nan_for_every_sample_later_on_keeps_the_run(place: Path, programs: Programs) -> None:
    """A scorer that breaks down after the first step: what was learned until then is whole, and can be gone on with."""
    command = words(without("scorers", SCST) + " --scorers.toy_scorers:Fading 1 --steps 6 --save_every 1", place)
    log = place / "new/log.jsonl"
    check_refused(programs.run(*command), "gave NaN for all 16 captions")
    step = Checkpoint.load(place / "new/checkpoints/last.safetensors").state["step"]
    assert 0 < step == len(log.read_text().splitlines()) < 6
    programs.run(*command, "--resume", FADING="no").succeeded()
    assert len(log.read_text().splitlines()) == 6


def test_without_java_meteor_is_unavailable(place: Path, programs: Programs) -> None:
    (place / "empty").mkdir()
    command = words(f"{REPORT} --skip [perplexity,nouns]", place)
    programs.run(*command, PATH=str(place / "empty")).succeeded()
    rows = {row["name"]: row for row in json.loads((place / "new/results.json").read_text())}
    assert rows["METEOR"]["value"] is None
    assert rows["METEOR"]["note"].startswith("unavailable: no java on PATH")
    assert rows["CIDEr"]["value"] > 0
    assert "no java on PATH" in (place / "new/index.html").read_text()
