"""`accelerate launch --num_processes N` on a machine without GPUs: N processes, as asked for.

Accelerate's launcher starts one process there, whatever N, unless it is told --multi_gpu, its word for several
processes of any kind.  The one process then starts the launcher again with that word.
"""

import os
import sys
from collections.abc import Sequence

import psutil
import torch

from probing_vlp.errors import UserError


def ensure_processes() -> None:
    """Become accelerate's launcher of N processes if N were asked for and only this one came; else do nothing.

    UserError if the launcher's command line cannot be read.
    """
    launched_alone = {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= os.environ.keys() and not {
        "WORLD_SIZE",
        "LOCAL_RANK",
        "PMI_SIZE",
        "OMPI_COMM_WORLD_SIZE",
        "MV2_COMM_WORLD_SIZE",
    } & os.environ.keys()
    if not launched_alone or (torch.accelerator.is_available() and os.environ.get("ACCELERATE_USE_CPU") != "True"):
        return
    processes = asked_for(psutil.Process(os.getppid()).cmdline())
    if processes is None:
        raise UserError(
            "accelerate launch started one process of several: give it --multi_gpu as well, which on a CPU means "
            "several processes"
        )
    precision = os.environ["ACCELERATE_MIXED_PRECISION"]
    os.execv(
        sys.executable,
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--multi_gpu",
            "--num_processes",
            str(processes),
            "--num_machines",
            "1",
            "--main_process_port",
            "0",
            "--mixed_precision",
            precision,
            "--dynamo_backend",
            "no",
            *sys.argv,
        ],
    )


def asked_for(command: Sequence[str]) -> int | None:
    """N of `--num_processes N` or `--num-processes=N` in a launcher's command line."""
    words = [part for word in command for part in word.replace("-processes", "_processes").split("=", 1)]
    if "--num_processes" not in words[:-1]:
        return None
    number = words[words.index("--num_processes") + 1]
    return int(number) if number.isdecimal() else None
