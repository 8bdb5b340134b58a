"""The `nas` command: search, inspect the results, retrain the winner.

Verbs are dispatched here, not as subcommands of tyro, which imports every verb before it prints the help of `nas`, the
help of one verb or an error: 0.79 s of processor time instead of 0.05 s (`experiments/results/startup.md`).
"""

import importlib
import importlib.metadata
import signal
import sys
from collections.abc import Sequence

from nas.inspect.console import accept_all_text
from search_spaces.errors import FusionNasError
from search_spaces.naming import unknown

VERBS = {
    "search": ("[PRESET]", "search for a detector; PRESET: digits (default), boxes or coco"),
    "resume": ("RUN", "continue an interrupted search"),
    "inspect": ("RUN", "show the results of a search: leaderboard, Pareto front, winner"),
    "export-optuna": ("RUN", "export a search to an Optuna study, for its plots and dashboard"),
    "check": ("MODULE:NAME", "test your own space, strategy or proxy against the contract of the built-in ones"),
    "rank": ("[RANKING]", "measure how well cheap proxies rank candidates, and find the cheapest reliable one"),
    "cost": ("GENOTYPE", "count parameters, multiply-adds and memory; measure latency"),
    "draw": ("GENOTYPE", "draw the graph as SVG, PNG, PDF or GraphML"),
    "train": ("GENOTYPE", "train a detector in full and evaluate it in COCO AP"),
    "eval": ("CHECKPOINT", "evaluate a trained detector in COCO AP"),
    "data": ("check DIR", "report errors and oddities of a data set"),
    "zoo": ("", "list the published detectors with their costs"),
    "import-tf": ("FILE", "convert published TensorFlow weights of SpineNet to a checkpoint"),
    "bench": ("strategies", "compare search strategies on a table of scores"),
    "published": ("", "compare published parameter counts and costs with ours"),
}
USAGE = "\n".join(
    [
        "usage: nas VERB [arguments]",
        "",
        *(f"  {verb:13} {what:11} {about}" for verb, (what, about) in VERBS.items()),
        "",
        "GENOTYPE (a network's topology): a JSON file, zoo:NAME, RUN (the best trial of a run) or RUN#N (trial N).",
        "`nas VERB --help` lists the options of a verb.",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns:
        Exit code: 0 success, 1 failure, 2 invalid arguments, 130 interrupted.
    """
    accept_all_text()
    verb, *rest = list(sys.argv[1:] if arguments is None else arguments) or [""]
    if verb in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    if verb == "--version":
        print(importlib.metadata.version("fusion-nas"))
        return 0
    if verb not in VERBS:
        print(f"nas: {unknown('verb', verb, VERBS)}" if verb else USAGE, file=sys.stderr)
        return 2
    # a shell starts background commands with SIGINT ignored, but a search must still stop on it
    # a cluster sends SIGTERM before it reclaims a machine: an interrupt, so that no trial counts as crashed
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    try:
        return int(importlib.import_module(f"experiments.commands.{verb.replace('-', '_')}").main(rest))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except FusionNasError as error:
        print(f"nas {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"nas {verb}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
