"""What `run.py` and `instructions.py` are made of."""
