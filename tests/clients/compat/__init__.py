"""Clients that nobody here wrote, each against every backend that can judge it. `examples/COMPATIBILITY.md` is what came of the last blessed run."""
