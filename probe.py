"""Probe: write down what a captioner says, and score it.

python probe.py demo
python probe.py dump  --run runs/ce --split test --scorers '[mini-clip, cider]'
python probe.py score --dump results.json --scorers '[mini-clip]'
python -m analysis report runs/*/dumps/test.jsonl --out report
"""

from probing_vlp import demo, dumping, nearest
from probing_vlp.cli import Command, main
from probing_vlp.data import download, extract

COMMANDS = {
    "demo": Command(demo.DemoConfig, demo.run, "the whole story on the embedded data, in under ten minutes"),
    "data": Command(download.DownloadConfig, download.run, "download COCO and the Karpathy split"),
    "features": Command(extract.ExtractConfig, extract.run, "extract image features with a named backbone"),
    "dump": Command(dumping.DumpConfig, dumping.dump, "describe a split with a trained captioner"),
    "nearest": Command(nearest.NearestConfig, nearest.run, "describe a split with captions of similar training images"),
    "score": Command(dumping.ScoreConfig, dumping.score, "score the captions of any dump"),
}

if __name__ == "__main__":
    main("probe.py", "Write down what a captioner says, and score it.", COMMANDS)
