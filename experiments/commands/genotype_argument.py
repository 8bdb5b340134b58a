"""The GENOTYPE argument: a JSON file, `zoo:NAME`, `RUN` (its best trial) or `RUN#N` (trial N)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import UsageError
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError
from search_spaces.serial import MAX_BYTES
from search_spaces.zoo import zoo

if TYPE_CHECKING:
    from experiments.run.config import SearchConfig
    from experiments.run.directory import RunDirectory


@dataclass(frozen=True)
class Named:
    """A genotype and what its source says about it.

    Attributes:
        label: short name, valid as a file name.
        scale: published, searched or requested scale; full scale for a JSON file.
        image_size: image size of that scale, px.
        run: the run that found it, if any.
        num_classes: class count of a zoo entry's published head, or the requested one.
        frozen: modules that the authors of a zoo entry did not train.
    """

    genotype: Genotype
    label: str
    scale: Scale = Scale()  # noqa: RUF009 - a frozen value
    image_size: int = 640
    run: "RunDirectory[SearchConfig] | None" = None
    num_classes: int | None = None
    frozen: tuple[str, ...] = ()


def find_genotype(name: str) -> Named:
    """Find the genotype of a GENOTYPE argument.

    Raises:
        UsageError: no file, run or trial has this name; the message lists the accepted forms.
        GenotypeError: the file is not a valid genotype, or the zoo has no such entry.
    """
    if name.startswith("zoo:"):
        label = name.removeprefix("zoo:")
        entry = zoo(label)
        return Named(
            entry.genotype,
            label,
            entry.scale,
            entry.image_size,
            num_classes=entry.num_classes,
            frozen=entry.frozen,
        )
    if Path(name).is_file():
        return Named(_read(Path(name)), Path(name).stem)
    path, _, number = (name, "", "") if Path(name).is_dir() else name.rpartition("#")
    if path and Path(path).is_dir():
        return _from_run(Path(path), number)
    raise UsageError(f"no genotype {name!r}: give a JSON file, zoo:NAME, a run's directory, or RUN#N")


def _read(path: Path) -> Genotype:
    with path.open("rb") as file:
        document = file.read(MAX_BYTES + 1)
    try:
        return Genotype.from_json(document)
    except GenotypeError as error:
        raise GenotypeError(f"{path}: {error}") from None


def _from_run(path: Path, number: str) -> Named:
    from experiments.run.config import SearchConfig
    from experiments.run.directory import RunDirectory
    from experiments.run.judge import objectives
    from nas.search.objectives import best

    run = RunDirectory.open(path, SearchConfig)
    config = run.config
    trials = run.store().trials()
    if number:
        chosen = next((t for t in trials if str(t.number) == number), None)
        if chosen is None:
            raise UsageError(f"{run.path} has no trial {number!r}: it has trials 0 to {len(trials) - 1}")
    else:
        chosen = best(trials, objectives(run))
        if chosen is None:
            ended = len(trials) == config.trials and all(trial.state.ended for trial in trials)
            fix = "`nas inspect` shows why all failed" if ended else "`nas resume` continues it"
            raise UsageError(f"{run.path} has no trial with scores: {fix}")
    label = f"{run.path.resolve().name}-{chosen.number}"
    genotype = Genotype.from_json(chosen.genotype)
    return Named(genotype, label, config.proxy.scale, config.proxy.image_size, run)
