"""How far a proxy can be trusted: a long training at several seeds against it."""
