"""Named search configurations; command-line flags override any field."""

from collections.abc import Mapping
from types import MappingProxyType

from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from nas.training.recipe import Recipe
from proxies.config import RECIPE, ShortTrainConfig
from search_spaces.naming import unknown
from search_spaces.zoo import SCALES

COCO = "coco"
"""Directory of COCO, unless --data names another."""
_DIGITS = ShortTrainConfig(val_images=48, recipe=RECIPE.model_copy(update={"flip": False}))
_BOXES = ShortTrainConfig(image_size=128, steps=400)
PRESETS: Mapping[str, SearchConfig] = MappingProxyType(
    {
        # takes minutes on two cores, without a download
        "digits": SearchConfig(proxy=_DIGITS),
        # for any small data set in COCO's format, on CPUs
        "boxes": SearchConfig(proxy=_BOXES),
        # the proxy of SpineNet's own search (arXiv 1912.05027, section 4), on GPUs
        "coco": SearchConfig(
            data=COCO,
            trials=1000,
            gpus_per_trial=1.0,
            cpus_per_trial=4.0,
            time_limit=None,
            proxy=ShortTrainConfig(
                scale=SCALES["proxy"],
                image_size=512,
                steps=9000,
                rungs=5,
                val_images=5000,
                recipe=Recipe(batch_size=64),
            ),
        ),
    }
)


def short_training(data: str) -> ShortTrainConfig:
    """The short training by which a search on this data scores candidates, unless configured."""
    return _DIGITS if data == "digits" else _BOXES


def preset(name: str) -> SearchConfig:
    """The preset of this name.

    Raises:
        UsageError: the name is unknown; the message suggests the nearest.
    """
    if name not in PRESETS:
        raise UsageError(unknown("preset", name, PRESETS))
    return PRESETS[name]
