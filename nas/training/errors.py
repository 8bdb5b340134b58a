"""Errors of training, importable without torch."""

from search_spaces.errors import FusionNasError


class CheckpointError(FusionNasError):
    """A file is not a checkpoint of this project, or does not fit; the message names the file and the fix."""


class DeviceError(FusionNasError):
    """The device does not exist; the message lists the available ones."""


class Diverged(FusionNasError):
    """The loss is not a finite number any more."""

    exit_code = 1


class LoadingError(FusionNasError):
    """A process that loads images has died; the message says how, and the fix."""

    exit_code = 1


class WeightsError(FusionNasError):
    """Weights do not fit; the message names the first entries that are missing, unexpected or mis-shaped."""
