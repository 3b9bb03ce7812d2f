"""Train: a scorer, a captioner by cross-entropy (ce), a captioner towards a scorer's matching score (scst).

python train.py ce   --config configs/demo-ce.yaml
python train.py scst --config configs/demo-scst.yaml
accelerate launch --num_processes 2 train.py scst --config configs/demo-scst.yaml
"""

from probing_vlp.cli import Command, main
from probing_vlp.errors import report_user_errors
from probing_vlp.taxonomy.language import small_lm
from probing_vlp.taxonomy.language.options import LMConfig
from probing_vlp.training import options, self_critical, supervised
from probing_vlp.training.launch import ensure_processes

COMMANDS = {
    "scorer": Command(options.ScorerOptions, options.run, "train a small scorer, mini-clip or another --arch"),
    "lm": Command(LMConfig, small_lm.run, "train a small language model from text alone"),
    "ce": Command(supervised.CEConfig, supervised.run, "train a captioner by cross-entropy"),
    "scst": Command(self_critical.SCSTConfig, self_critical.run, "train a captioner towards a scorer's matching score"),
}

if __name__ == "__main__":
    with report_user_errors():
        ensure_processes()
    main("train.py", "Train a scorer, a captioner or a language model.", COMMANDS)
