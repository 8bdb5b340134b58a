"""The default `nas search`, measured as a subprocess: `python -m experiments.bench.main_job [FLAGS OF NAS SEARCH]`.

Prints seconds, trials by state, and best and median AP.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from experiments.commands.arguments import wrapped


def nas(*arguments: str) -> str:
    command = [sys.executable, "-m", "experiments.cli", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(flags: Sequence[str]) -> None:
    """Measure `nas search` with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        start = time.perf_counter()
        nas("search", "--out", run, *flags)
        seconds = time.perf_counter() - start
        document: dict[str, Any] = json.loads(nas("inspect", run, "--json"))
    states = [trial["state"] for trial in document["trials"]]
    aps = [trial["scores"]["ap"] for trial in document["trials"] if trial["scores"]]
    full = [t["scores"]["ap"] for t in document["trials"] if t["state"] == "finished"]
    print(
        json.dumps(
            {
                "seconds": round(seconds, 1),
                **{state: states.count(state) for state in ("finished", "stopped", "failed")},
                "best_ap": round(max(aps), 4),
                "median_ap": round(statistics.median(aps), 4),
                "median_ap_of_finished": round(statistics.median(full), 4),
            }
        )
    )


if __name__ == "__main__":
    main(tyro.cli(lambda: None, description=wrapped(__doc__), return_unknown_args=True)[1])
