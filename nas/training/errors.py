"""What can go wrong with a training, to be told of without torch."""


class CheckpointError(ValueError):
    """A file is no checkpoint of ours, or does not fit; the message names the file and the fix."""


class DeviceError(ValueError):
    """There is no such device; the message says which there are."""


class Diverged(RuntimeError):
    """The loss is no longer a finite number."""


class WeightsError(ValueError):
    """Weights do not fit; the message names the first entries that are missing, unexpected or mis-shaped."""
