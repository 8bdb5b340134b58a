"""Training: interruption and resume, checks on resume, checkpoints, averaging and batches."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet50

from nas.data.cache import letterbox
from nas.data.depth import ValueRange
from nas.data.detection_set import DetectionSet
from nas.data.digits.scenes import DigitsConfig, digits
from nas.detectors import DetectorConfig
from nas.training.batches import Batches
from nas.training.blueprint import Blueprint
from nas.training.checkpoint import Checkpoint
from nas.training.errors import CheckpointError, Diverged
from nas.training.fit import LAST, METRICS, Progress, fit
from nas.training.recipe import FitConfig, Recipe
from nas.training.trainer import Trainer
from search_spaces.genotype import Scale
from search_spaces.ops import op
from search_spaces.zoo import zoo

Data = tuple[DetectionSet, DetectionSet]
CONFIG = FitConfig(epochs=2, recipe=Recipe(batch_size=4, average=2))


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(DigitsConfig(train_images=9, val_images=4, image_size=64, max_side=40))


@pytest.fixture(scope="module")
def blueprint(data: Data) -> Blueprint:
    scale = Scale(width=1 / 16, output_width=32, head_depth=1)
    return Blueprint(zoo("fpn").genotype, scale, DetectorConfig(), 64, data[0].categories)


class Interrupted(Exception):
    pass


def _train(
    blueprint: Blueprint, data: Data, out: Path, interrupt_at: tuple[int, int] | None = None
) -> dict[str, float]:
    def watch(news: Progress) -> None:
        if interrupt_at == (news.epoch, news.step):
            raise Interrupted

    return fit(blueprint, CONFIG, data, out, device="cpu", watch=watch)


@pytest.mark.parametrize("interrupt_at", [(0, 2), (1, 1)], ids=["in the first epoch", "in the second epoch"])
@pytest.mark.parametrize("head", ["fcos", "faster_rcnn"])
def test_resumed_training_equals_an_uninterrupted_one(
    blueprint: Blueprint, data: Data, tmp_path: Path, head: str, interrupt_at: tuple[int, int]
) -> None:
    """Faster R-CNN samples its training regions at random, so the random state has to be restored as well."""
    blueprint = replace(blueprint, genotype=replace(blueprint.genotype, head=op(head)))
    whole = _train(blueprint, data, tmp_path / "whole")
    with pytest.raises(Interrupted):
        _train(blueprint, data, tmp_path / "resumed", interrupt_at)
    assert not (tmp_path / "resumed" / METRICS).exists()
    assert _train(blueprint, data, tmp_path / "resumed") == whole
    states = [Checkpoint.load(tmp_path / name / LAST).state for name in ("whole", "resumed")]
    for part in ("model", "average"):
        first, second = (state[part] for state in states)
        assert all(torch.equal(first[name], second[name]) for name in first)


INCOMPATIBLE_CHANGES: dict[str, tuple[Callable[[Blueprint], Blueprint], FitConfig, str]] = {
    "scale": (
        lambda b: replace(b, scale=replace(b.scale, head_depth=0)),
        CONFIG,
        "scale.head_depth is 0, was 1",
    ),
    "image size": (lambda b: replace(b, image_size=96), CONFIG, "image_size is 96, was 64"),
    "detector": (
        lambda b: replace(b, detector=DetectorConfig(nms_threshold=0.4)),
        CONFIG,
        r"detector.nms_threshold is 0.4, was 0.6",
    ),
    "genotype": (lambda b: replace(b, genotype=zoo("pafpn").genotype), CONFIG, "genotype has key .*, had"),
    "recipe": (lambda b: b, FitConfig(epochs=2, recipe=Recipe(batch_size=8, average=2)), "batch_size is 8, was 4"),
    "seed": (lambda b: b, CONFIG.model_copy(update={"seed": 3}), "seed is 3, was 0"),
}


@pytest.fixture(scope="module")
def trained(blueprint: Blueprint, data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a training of one epoch."""
    out = tmp_path_factory.mktemp("trained")
    once = CONFIG.model_copy(update={"epochs": 1})
    fit(blueprint, once, data, out, device="cpu", watch=lambda news: None)
    return out


@pytest.mark.parametrize("case", INCOMPATIBLE_CHANGES)
def test_resume_with_incompatible_settings_is_refused(
    case: str, blueprint: Blueprint, data: Data, trained: Path
) -> None:
    change, config, message = INCOMPATIBLE_CHANGES[case]
    with pytest.raises(CheckpointError, match=f"last.pt belongs to another training: .*{message}"):
        fit(change(blueprint), config, data, trained, device="cpu", watch=lambda news: None)


def test_resume_on_changed_labels_is_refused(blueprint: Blueprint, data: Data, trained: Path) -> None:
    """The refused run leaves the metrics file unchanged."""
    corrected = replace(data[0], labels=tuple(9 - labels for labels in data[0].labels))
    before = (trained / METRICS).read_text()
    with pytest.raises(CheckpointError, match="the training set is not the one of before: the categories of objects"):
        fit(blueprint, CONFIG, (corrected, data[1]), trained, device="cpu", watch=lambda news: None)
    assert (trained / METRICS).read_text() == before


def _fit_with_log(blueprint: Blueprint, config: FitConfig, data: Data, out: Path) -> tuple[list[Progress], list[str]]:
    """Run `fit`; returns its progress reports and messages."""
    steps: list[Progress] = []
    messages: list[str] = []
    fit(blueprint, config, data, out, device="cpu", watch=steps.append, say=messages.append)
    return steps, messages


def test_finished_training_is_only_evaluated(blueprint: Blueprint, data: Data, trained: Path, tmp_path: Path) -> None:
    """A changed validation set is evaluated as well, with a message."""
    shutil.copytree(trained, tmp_path / "out")
    once = CONFIG.model_copy(update={"epochs": 1})
    steps, messages = _fit_with_log(blueprint, once, data, tmp_path / "out")
    assert (steps, len(messages)) == ([], 1)
    assert "trained for 1 epochs already: it is only evaluated; --epochs 2 trains on" in messages[0]
    steps, messages = _fit_with_log(blueprint, once, (data[0], data[1].select(range(2))), tmp_path / "out")
    assert steps == []
    assert "the validation set is not the one of before" in messages[1]


def test_training_resumes_with_more_epochs(blueprint: Blueprint, data: Data, trained: Path, tmp_path: Path) -> None:
    """It continues from the checkpoint, with the learning rate of the longer schedule."""
    shutil.copytree(trained, tmp_path / "out")
    longer = CONFIG.model_copy(update={"epochs": 3})
    steps, messages = _fit_with_log(blueprint, longer, data, tmp_path / "out")
    assert [(news.epoch, news.epochs) for news in steps] == [(1, 3), (1, 3), (2, 3), (2, 3)]
    assert "resumes after epoch 1, for 3 epochs instead of 1" in messages[0]
    state = Checkpoint.load(tmp_path / "out" / LAST).state
    uninterrupted = Trainer(blueprint.build(), longer.recipe, 6)
    for _ in range(6):
        uninterrupted.optimizer.step()
        uninterrupted.schedule.step()
    assert state["steps"] == 6
    assert state["optimizer"]["param_groups"][0]["lr"] == uninterrupted.optimizer.param_groups[0]["lr"]
    assert state["schedule"]["total_steps"] == 7


def test_resumed_trainer_uses_the_longer_schedule(blueprint: Blueprint) -> None:
    short, long = (Trainer(blueprint.build(), Recipe(), steps) for steps in (4, 40))
    for trainer in (short, long):
        for _ in range(4):
            trainer.optimizer.step()
            trainer.schedule.step()
    resumed = Trainer(blueprint.build(), Recipe(), 40)
    resumed.load_state_dict(short.state_dict())
    for name in ("lr", "betas"):
        assert resumed.optimizer.param_groups[0][name] == long.optimizer.param_groups[0][name]
        assert resumed.optimizer.param_groups[0][name] != short.optimizer.param_groups[0][name]


def test_training_with_fewer_epochs_is_only_evaluated(blueprint: Blueprint, data: Data, tmp_path: Path) -> None:
    _train(blueprint, data, tmp_path)
    steps, messages = _fit_with_log(blueprint, CONFIG.model_copy(update={"epochs": 1}), data, tmp_path)
    assert steps == []
    assert "trained for 2 epochs already" in messages[0]


def test_resumed_training_keeps_its_value_range(blueprint: Blueprint, data: Data, tmp_path: Path) -> None:
    """A value range that changed since the first run does not prevent the resume."""
    began = replace(blueprint, values=ValueRange(0, 4096))
    _train(began, data, tmp_path)
    longer = CONFIG.model_copy(update={"epochs": 3})
    steps, _ = _fit_with_log(replace(blueprint, values=ValueRange(0, 16384)), longer, data, tmp_path)
    assert len(steps) == 2
    assert Checkpoint.load(tmp_path / LAST).blueprint.values == ValueRange(0, 4096)


def test_checkpoint_without_fingerprints_resumes(
    blueprint: Blueprint, data: Data, trained: Path, tmp_path: Path
) -> None:
    """Version 0.1 wrote such checkpoints."""
    shutil.copytree(trained, tmp_path / "out")
    raw = torch.load(tmp_path / "out" / LAST, weights_only=True)
    del raw["inputs"]
    torch.save(raw, tmp_path / "out" / LAST)
    assert len(_fit_with_log(blueprint, CONFIG, data, tmp_path / "out")[0]) == 2


def test_single_image_trains(blueprint: Blueprint, data: Data, tmp_path: Path) -> None:
    """The image is repeated to a batch of two, so that batch norms have a variance."""
    one = data[0].select([0]), data[1]
    assert len(_fit_with_log(blueprint, CONFIG, one, tmp_path)[0]) == 2


def test_blueprint_round_trips_through_json(blueprint: Blueprint) -> None:
    assert Blueprint.from_json(blueprint.to_json()) == blueprint


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 torn"])
def test_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pt"):
        Checkpoint.load(tmp_path / "bad.pt")


def test_checkpoint_with_pickled_code_is_refused(tmp_path: Path) -> None:
    torch.save({"format": print}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        Checkpoint.load(tmp_path / "bad.pt")


def test_non_finite_loss_stops_before_the_weights_change(blueprint: Blueprint, data: Data) -> None:
    torch.manual_seed(0)
    trainer = Trainer(blueprint.build(), Recipe(), 10)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    images, targets = next(Batches(data[0], letterbox(data[0], 64), 4).forever(seed=0, flip=False, device="cpu"))
    with pytest.raises(Diverged, match="nan at step 0"):
        trainer.step(images * torch.nan, targets)
    assert all(torch.equal(before[name], value) for name, value in trainer.model.named_parameters())


def test_averaged_weights_are_evaluated_and_saved(blueprint: Blueprint, data: Data) -> None:
    """The average starts at the weights of the first step and then moves half-way to those of each further step."""
    torch.manual_seed(0)
    trainer = Trainer(blueprint.build(), Recipe(average=2), 10)
    stream = Batches(data[0], letterbox(data[0], 64), 4).forever(seed=0, flip=False, device="cpu")
    expected = None
    for images, targets in islice(stream, 3):
        trainer.step(images, targets)
        now = trainer.model.head.regression_head.bbox_reg.weight.detach().clone()
        expected = now if expected is None else (expected + now) / 2
    torch.testing.assert_close(trainer.scored.head.regression_head.bbox_reg.weight, expected)
    kept = Checkpoint(blueprint, "", 1, trainer.state_dict()).restore()
    assert torch.equal(kept.head.regression_head.bbox_reg.weight, trainer.scored.head.regression_head.bbox_reg.weight)


def test_epoch_shuffles_by_seed_and_epoch(data: Data) -> None:
    train = data[0]
    batches = Batches(train, letterbox(train, 64), 3)
    epochs = [
        torch.cat([images for images, _ in batches.training(seed=seed, epoch=epoch, flip=False, device="cpu")])
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[3])
    assert len({image.numpy().tobytes() for image in epochs[0]}) == len(train)


def test_flip_moves_boxes_with_their_pixels(data: Data) -> None:
    """The pixels inside every box are those of the original box, flipped."""
    train = data[0]
    batches = Batches(train, letterbox(train, 64), 9)
    ((plain, targets),) = batches.training(seed=0, epoch=0, flip=False, device="cpu")
    ((mirrored, moved),) = batches.training(seed=0, epoch=0, flip=True, device="cpu")
    flipped = [i for i in range(9) if not torch.equal(plain[i], mirrored[i])]
    assert 0 < len(flipped) < 9
    for i in flipped:
        for old, new in zip(targets[i]["boxes"].int(), moved[i]["boxes"].int(), strict=True):
            inside = plain[i][:, old[1] : old[3], old[0] : old[2]]
            assert torch.equal(mirrored[i][:, new[1] : new[3], new[0] : new[2]], inside.flip(-1))


def test_training_starts_from_backbone_weights(data: Data, tmp_path: Path) -> None:
    torch.save(resnet50(weights=None).state_dict(), tmp_path / "resnet50.pth")
    scale = Scale(output_width=32, head_depth=1)
    blueprint = Blueprint(zoo("fpn").genotype, scale, DetectorConfig(), 64, data[0].categories)
    recipe = Recipe(batch_size=8, learning_rate=1e-12, weight_decay=0)
    config = FitConfig(epochs=1, recipe=recipe, backbone_weights=tmp_path / "resnet50.pth")
    fit(blueprint, config, data, tmp_path / "out", device="cpu", watch=lambda news: None)
    made = Checkpoint.load(tmp_path / "out" / LAST).state["model"]["backbone.stem.conv.0.weight"]
    torch.testing.assert_close(made, torch.load(tmp_path / "resnet50.pth", weights_only=True)["conv1.weight"])
