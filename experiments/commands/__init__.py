"""The verbs of `nas`, one per module, each with `main(arguments) -> exit code`."""
