"""`nas`: launch searches, look at what they found, retrain it."""

import importlib
import signal
import sys
from collections.abc import Sequence

from nas.inspect.console import accept_all_text
from search_spaces.errors import FusionNasError
from search_spaces.naming import unknown

VERBS = {
    "search": ("[PRESET]", "search for detectors; PRESET is digits (default), boxes or coco"),
    "resume": ("RUN", "go on with a search that was interrupted"),
    "inspect": ("RUN", "show what a search has found"),
    "export-optuna": ("RUN", "a search as an Optuna study, for its plots and its dashboard"),
    "check": ("MODULE:NAME", "whether your own space, strategy or proxy keeps the promises that ours keep"),
    "rank": ("[RANKING]", "how far each proxy can be trusted, and which is the cheapest that can"),
    "cost": ("GENOTYPE", "parameters, multiply-adds, memory and latency"),
    "draw": ("GENOTYPE", "draw the graph"),
    "train": ("GENOTYPE", "train in earnest, and score in COCO AP"),
    "eval": ("CHECKPOINT", "score a trained detector in COCO AP"),
    "data": ("check DIR", "everything wrong or odd about a data set, before any training"),
    "zoo": ("", "list the published systems"),
    "import-tf": ("FILE", "published TensorFlow weights of SpineNet as a checkpoint"),
    "bench": ("strategies", "compare strategies on a table of scores"),
    "published": ("", "compare every published figure with ours"),
}
USAGE = "\n".join(
    [
        "usage: nas VERB [arguments]",
        "",
        *(f"  {verb:13} {what:11} {about}" for verb, (what, about) in VERBS.items()),
        "",
        "GENOTYPE is a JSON file, zoo:NAME, RUN (its best) or RUN#N. `nas VERB --help` tells the rest.",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns:
        0 done, 1 failed, 2 unusable arguments, 130 interrupted.
    """
    accept_all_text()
    verb, *rest = list(sys.argv[1:] if arguments is None else arguments) or [""]
    if verb in ("-h", "--help"):
        print(USAGE)
        return 0
    if verb not in VERBS:
        print(f"nas: {unknown('verb', verb, VERBS)}", USAGE, sep="\n", file=sys.stderr)
        return 2
    # a shell that starts a command in the background has interrupts ignored: a search must hear them all the same
    # the same goes for what a cluster sends before it takes a machine away: nothing has died of its trials
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
