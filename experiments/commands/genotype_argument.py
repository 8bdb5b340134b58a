"""GENOTYPE on the command line: a JSON file, `zoo:NAME`, a run (its best), or `RUN#N`."""

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
    """A genotype and what is known of where it comes from.

    Attributes:
        label: short name, fit for a file name.
        scale: the scale it was published, searched or asked for at; None for a bare file.
        image_size: the image size that goes with it.
        run: the run it was found in.
        num_classes: of a zoo entry's published head, or as asked for.
        frozen: parts that a zoo entry's authors did not train.
    """

    genotype: Genotype
    label: str
    scale: Scale | None = None
    image_size: int | None = None
    run: "RunDirectory[SearchConfig] | None" = None
    num_classes: int | None = None
    frozen: tuple[str, ...] = ()


def find_genotype(name: str) -> Named:
    """What a GENOTYPE argument means.

    Raises:
        UsageError: it means nothing; the message says what would.
        GenotypeError: the file is no legal genotype, or the zoo has no such entry.
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
    from nas.search.ranking import best

    run = RunDirectory.open(path, SearchConfig)
    config = run.config()
    trials = run.store().trials()
    if number:
        chosen = next((t for t in trials if str(t.number) == number), None)
        if chosen is None:
            raise UsageError(f"{run.path} has no trial {number!r}: it has 0 .. {len(trials) - 1}")
    else:
        chosen = best(trials, objectives(run))
        if chosen is None:
            raise UsageError(f"{run.path} has no trial with scores yet: `nas resume {run.path}` goes on with it")
    label = f"{run.path.resolve().name}-{chosen.number}"
    genotype = Genotype.from_json(chosen.genotype)
    return Named(genotype, label, config.size.scale, config.size.image_size, run)
