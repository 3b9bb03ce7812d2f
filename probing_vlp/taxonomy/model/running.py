"""`probe.py taxonomy run`: train and test the projectors of a grid, from any images, encoder and language model.

python probe.py taxonomy run --config configs/taxonomy.yaml --images DIR --lm runs/lm
python probe.py taxonomy run --config configs/taxonomy-things.yaml --images things --taxonomy pairs.csv
accelerate launch --multi_gpu --num_processes 4 probe.py taxonomy run --config configs/taxonomy-things.yaml ...

Run again after an interruption, it goes on with the cells that are missing.
"""

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.options import RunConfig

__all__ = ["RunConfig", "run"]


def run(config: RunConfig) -> None:
    """Do the grid; UserError for options that do not fit, before anything is written."""
    for option, what in (("images", "photographs"), ("lm", "a language model: `train.py lm` makes one")):
        if not getattr(config, option):
            raise UserError(f"--{option} is missing: give {what}")
    from probing_vlp.taxonomy.model.grid import run_grid

    run_grid(config)
