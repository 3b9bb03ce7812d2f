"""VLP scorers: SCORERS is the table of names; `load_scorer` makes one.

Adding a scorer: write one file with a class that fits `scorers.base.Scorer`, add its row here, run
`pytest tests/test_scorers.py` (the conformance suite takes every row).  A class of your own outside the project needs
no row: `--scorers '{"package.module:Class": 1.0}'`.
"""

from probing_vlp.scorers.base import Encoded, Scorer, load_scorer

SCORERS = {
    "cider": "probing_vlp.scorers.cider:CiderScorer",
    "clip": "probing_vlp.scorers.clip:ClipScorer",
    "mini-clip": "probing_vlp.scorers.mini_clip:MiniClipScorer",
}

__all__ = ["SCORERS", "Encoded", "Scorer", "load_scorer"]
