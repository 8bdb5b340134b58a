"""The base class of errors that a user can cause and fix."""


class FusionNasError(ValueError):
    """A request cannot be carried out; the message says why and what to change.

    The `nas` command prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 2
