"""Start-up times of commands: `python -m experiments.bench.startup [--against CHECKOUT]`.

Each command runs in a fresh process, alternating with the same command of the other checkout, if one is given, so that
a busy machine slows both equally. Times are CPU seconds of all cores. The inspected run has six genotypes and their
costs; from twelve trials on, `nas inspect` would also cross-validate a predictor.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.commands.arguments import run

RUN = "run"
SEARCH = (
    *("search", "--by", "cost", "--runner", "local", "--trials", "6", "--strategy.name", "random"),
    *("--digits.train-images", "10", "--out", RUN),
)
COMMANDS = (
    "search --help",
    "zoo",
    "cost zoo:spinenet-49",
    "draw zoo:spinenet-49",
    f"draw {RUN}",
    f"inspect {RUN}",
    f"resume {RUN}",
)


def nas(arguments: Sequence[str], folder: Path, checkout: Path) -> tuple[float, float]:
    """CPU seconds of a command in a fresh process, in total and until its first line."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "experiments.cli", *arguments]
    before = _spent()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    total = _spent() - before
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    return total, _spent() - before - total


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(*, rounds: int = 5, against: Path | None = None) -> None:
    """Print the median of every command, and the ratio to the other checkout's.

    Args:
        rounds: runs of each command.
        against: another checkout of this repository.
    """
    here = Path(__file__).parents[2]
    checkouts = [here, *([against.resolve()] if against else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nas(SEARCH, folder, checkouts[-1])  # the older of two: a checkout reads runs of earlier ones
        for command in COMMANDS:
            taken = [[nas(command.split(), folder, at) for at in checkouts] for _ in range(rounds)]
            for what, part in ("all", 0), ("first line", 1):
                ours, *others = (
                    statistics.median(each[part] for each in column) for column in zip(*taken, strict=True)
                )
                ratio = "".join(
                    f"  (other checkout {other:5.2f} s, {other / ours:4.1f} times as long)" for other in others
                )
                print(f"nas {command:20} {what:10} {ours:5.2f} s{ratio}", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
