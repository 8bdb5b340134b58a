"""The verbs of `nas`, one a file: each has `main(arguments) -> exit code`."""
