"""`nas train GENOTYPE`: train a detector in full, at a larger scale than the search."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tyro.conf import arg

from experiments.commands.arguments import parse, split_positional
from experiments.commands.genotype_argument import Named, find_genotype
from experiments.commands.network_flags import Network, parse_network
from experiments.errors import UsageError
from experiments.run.data import report, say_if_changed
from experiments.run.presets import short_training
from nas.data.depth import values_of
from nas.data.detection_set import Category
from nas.data.digits.scenes import DigitsConfig
from nas.data.fingerprint import fingerprints
from nas.data.open import open_data
from nas.detectors import DetectorConfig
from nas.inspect.console import open_console
from nas.training.blueprint import Blueprint
from nas.training.device import best_device
from nas.training.recipe import FitConfig, Recipe
from proxies.config import ShortTrainConfig
from search_spaces.genotype import Scale

if TYPE_CHECKING:
    from nas.training.fit import Progress as FitProgress


class TrainConfig(FitConfig):
    """Train a genotype in full, with checkpoints; repeat the command to continue an interrupted training.

    Defaults for a trial of a run: the run's data, twice the width and image size of its proxy, a head of full depth,
    and at most the usual learning rate. Defaults for a zoo entry: its published scale and image size.
    """

    data: str | None = None
    """Directory in COCO's format, or "digits"."""
    out: Path | None = Field(None, exclude=True)
    """Directory for the checkpoint and the metrics; if omitted, train/NAME."""
    device: str = Field("auto", exclude=True)
    """Device: cpu, cuda, cuda:N, or auto (a GPU if available)."""
    image_size: int = Field(640, ge=32)
    """Side of the letterboxed images, px."""
    network: Annotated[Network, arg(name="")] = Network()
    detector: DetectorConfig = DetectorConfig()
    digits: DigitsConfig = DigitsConfig()


def main(arguments: Sequence[str]) -> int:
    name, flags = split_positional(arguments)
    if name is None:
        parse(TrainConfig, "train GENOTYPE", flags or ["--help"])
        raise UsageError("no genotype given: start with a JSON file, zoo:NAME, a run's directory, or RUN#N")
    found = _enlarged(find_genotype(name))
    config = parse_network(TrainConfig, "train GENOTYPE", flags, _defaults(found))
    named = config.network.of(found)
    if config.data is None:
        raise UsageError("--data: give a directory in COCO's format, or 'digits'")
    console = open_console()
    data = open_data(config.data, config.digits)
    report(data, console)
    now = fingerprints(data)
    if named.run and config.data == named.run.config.data:
        say_if_changed(named.run, data, now, console)
    out = config.out or Path("train") / named.label
    outputs = _outputs(data[0].categories, config.network.classes)
    blueprint = Blueprint(named.genotype, named.scale, config.detector, config.image_size, outputs, values_of(data[0]))
    from nas.training.fit import LAST, METRICS, fit

    with _progress(console) as bar:
        task = bar.add_task(named.label, total=None, loss="")

        def watch(news: "FitProgress") -> None:
            standing = f"epoch {news.epoch + 1}/{news.epochs}  loss {news.loss:.3f}"
            done = news.epoch * news.steps + news.step
            bar.update(task, completed=done, total=news.epochs * news.steps, loss=standing)
            if news.step == news.steps and not console.is_terminal:
                console.print(standing)

        def say(sentence: str) -> None:
            console.print(sentence, soft_wrap=True)

        try:
            device = best_device(config.device)
            metrics = fit(blueprint, config, data, out, device=device, watch=watch, say=say, fingerprints=now)
        except KeyboardInterrupt:
            console.print(f"interrupted: repeat the command to continue from {out / LAST}", soft_wrap=True)
            raise
    for metric, value in metrics.items():
        console.print(f"{metric:6} {value:.4f}")
    console.print(f"checkpoint {out / LAST}, metrics {out / METRICS}", soft_wrap=True)
    return 0


def _outputs(categories: tuple[Category, ...], classes: int | None) -> tuple[Category, ...]:
    """Categories of the classifier's outputs: those of the data, then unused ones up to `classes`."""
    if classes is not None and classes < len(categories):
        raise UsageError(f"--classes {classes}: the data has {len(categories)} categories: give at least that number")
    spare = (classes or 0) - len(categories)
    return (*categories, *(Category(categories[-1].id + i, "unused") for i in range(1, spare + 1)))


def _enlarged(named: Named) -> Named:
    """A trial of a run at twice its width and image size, with a head of full depth; a zoo entry or file unchanged."""
    if named.run is None:
        return named
    small = named.scale
    scale = replace(
        small,
        width=small.width * 2,
        output_width=small.output_width * 2,
        stem=min(1.0, small.stem * 2),
        head_depth=max(small.head_depth, Scale().head_depth),
    )
    return replace(named, scale=scale, image_size=named.image_size * 2)


def _defaults(named: Named) -> TrainConfig:
    if named.run is None:
        return TrainConfig(image_size=named.image_size)
    searched = named.run.config
    trained = searched.proxy if isinstance(searched.proxy, ShortTrainConfig) else searched.retraining
    trained = trained or short_training(searched.data)
    return TrainConfig(
        data=searched.data,
        digits=searched.digits,
        image_size=named.image_size,
        detector=trained.detector,
        recipe=_long_recipe(trained.recipe),
        seed=searched.seed,
    )


def _long_recipe(recipe: Recipe) -> Recipe:
    """The recipe of a short training made fit for a long one: at most the usual rate, at least the usual batch."""
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
