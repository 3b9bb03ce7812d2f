"""VLP scorers: SCORERS is the table of names; `load_scorer` makes one.

Adding a scorer: write one file with a class that fits `scorers.base.Scorer`, add its row here, run
`pytest tests/scorers/test_scorers.py` (the conformance suite takes every row).  A class of your own outside the project
needs no row: `--scorers '{"package.module:Class": 1.0}'`; `probe.py check-scorer package.module:Class` tries it.
"""

from probing_vlp.scorers.base import Encoded, Scorer, load_scorer

SCORERS = {
    "blip": "probing_vlp.scorers.blip:BlipScorer",
    "cider": "probing_vlp.scorers.cider:CiderScorer",
    "clip": "probing_vlp.scorers.clip:ClipScorer",
    "lxmert": "probing_vlp.scorers.lxmert:LxmertScorer",
    "mini-clip": "probing_vlp.scorers.mini_clip:MiniClipScorer",
    "planted-connective": "probing_vlp.scorers.planted:ConnectiveScorer",
    "planted-length": "probing_vlp.scorers.planted:LengthScorer",
    "planted-nouns": "probing_vlp.scorers.planted:NounScorer",
    "planted-order": "probing_vlp.scorers.planted:OrderScorer",
    "planted-prefix": "probing_vlp.scorers.planted:PrefixScorer",
    "rosita": "probing_vlp.scorers.rosita:RositaScorer",
    "siglip": "probing_vlp.scorers.siglip:SiglipScorer",
    "uniter": "probing_vlp.scorers.uniter:UniterScorer",
    "vilbert": "probing_vlp.scorers.vilbert:VilbertScorer",
    "vilt": "probing_vlp.scorers.vilt:ViltScorer",
    "vqa-score": "probing_vlp.scorers.vqa_score:VqaScorer",
}

__all__ = ["SCORERS", "Encoded", "Scorer", "load_scorer"]
