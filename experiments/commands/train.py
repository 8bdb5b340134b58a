"""`nas train GENOTYPE`: train in earnest, at a larger scale than the search did."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tyro.conf import arg

from experiments.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.genotypes import Named, find_genotype
from experiments.network import Network, parse_network
from experiments.opening import report, say_if_changed
from nas.data.depth import values_of
from nas.data.detection_set import Category
from nas.data.digits import DigitsConfig
from nas.data.open import open_data
from nas.detectors import DetectorConfig
from nas.inspect.console import open_console
from nas.training.checkpoint import Blueprint
from nas.training.device import best_device
from nas.training.fit import LAST, METRICS, FitConfig, fit
from nas.training.fit import Progress as FitProgress
from nas.training.recipe import Recipe
from search_spaces.genotype import Scale


class TrainConfig(FitConfig):
    """Train a genotype in earnest, with checkpoints; the same command goes on where it was interrupted.

    Without other flags a run's winner is trained on the run's data at twice the width and image size of its proxy,
    with a whole head and in steps no faster than usual; a zoo entry at its published scale.
    """

    data: str | None = None
    """A directory in COCO's format, or "digits"."""
    out: Path | None = Field(None, exclude=True)
    """Directory of the checkpoint; train/NAME if not given."""
    device: str = Field("auto", exclude=True)
    """cpu, cuda, or cuda:N; auto takes a GPU where there is one."""
    image_size: int = Field(640, ge=32)
    """Side of the letterboxed images, px."""
    network: Annotated[Network, arg(name="")] = Network()
    detector: DetectorConfig = DetectorConfig()
    digits: DigitsConfig = DigitsConfig()


def main(arguments: Sequence[str]) -> int:
    name, flags = split_positional(arguments)
    if name is None:
        parse(TrainConfig, "train GENOTYPE", flags or ["--help"])
        raise UsageError("which genotype? Give a JSON file, zoo:NAME, a run's directory, or RUN#N first")
    found = find_genotype(name)
    config = parse_network(TrainConfig, "train GENOTYPE", flags, partial(_defaults, found))
    if config.data is None:
        raise UsageError("--data: give a directory in COCO's format, or 'digits'")
    named = config.network.of(found)
    console = open_console()
    data = open_data(config.data, config.digits)
    report(data, console)
    if named.run and config.data == named.run.config().data:
        say_if_changed(named.run, data, console)
    out = config.out or Path("train") / named.label
    outputs = _outputs(data[0].categories, config.network.classes)
    blueprint = Blueprint(
        named.genotype, config.network.scale, config.detector, config.image_size, outputs, values_of(data[0])
    )
    with _progress(console) as bar:
        task = bar.add_task(named.label, total=None, loss="")

        def watch(news: FitProgress) -> None:
            standing = f"epoch {news.epoch + 1}/{news.epochs}  loss {news.loss:.3f}"
            done = news.epoch * news.steps + news.step
            bar.update(task, completed=done, total=news.epochs * news.steps, loss=standing)
            if news.step == news.steps and not console.is_terminal:
                console.print(standing)

        def say(sentence: str) -> None:
            console.print(sentence, soft_wrap=True)

        try:
            metrics = fit(blueprint, config, data, out, device=best_device(config.device), watch=watch, say=say)
        except KeyboardInterrupt:
            console.print(f"interrupted: the same command goes on from {out / LAST}", soft_wrap=True)
            raise
    for metric, value in metrics.items():
        console.print(f"{metric:6} {value:.4f}")
    console.print(f"checkpoint {out / LAST}, numbers {out / METRICS}", soft_wrap=True)
    return 0


def _outputs(categories: tuple[Category, ...], classes: int | None) -> tuple[Category, ...]:
    """What the classifier's outputs mean: the data's categories, then what is left over of `classes`."""
    if classes is not None and classes < len(categories):
        raise UsageError(f"--classes {classes}: the data has {len(categories)} categories: give as many or more")
    spare = (classes or 0) - len(categories)
    return (*categories, *(Category(categories[-1].id + i, "unused") for i in range(1, spare + 1)))


def _defaults(named: Named, scale: Scale | None) -> TrainConfig:
    if named.run is None:
        return TrainConfig(network=Network(scale or named.scale or Scale()), image_size=named.image_size or 640)
    searched = named.run.config()
    proxy, size, small = searched.proxy, searched.size, searched.size.scale
    twice = replace(
        small,
        width=small.width * 2,
        output_width=small.output_width * 2,
        stem=min(1.0, small.stem * 2),
        head_depth=max(small.head_depth, Scale().head_depth),
    )
    return TrainConfig(
        data=searched.data,
        digits=searched.digits,
        image_size=size.image_size * 2,
        network=Network(scale or twice),
        detector=proxy.detector,
        recipe=_patient(proxy.recipe),
        seed=searched.seed,
    )


def _patient(recipe: Recipe) -> Recipe:
    """The recipe of a moment's training, for one of many epochs."""
    usual = Recipe()
    rate, size = min(recipe.learning_rate, usual.learning_rate), max(recipe.batch_size, usual.batch_size)
    return recipe.model_copy(update={"learning_rate": rate, "batch_size": size})


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
