"""Data sets as files hold them, each read into a `DetectionSet`."""
