"""Workers, broker and disk in one thread, failing at every step as a seed says; the keeper, store and engine are real.

`python -m tests.simulation --seeds 2000` runs many schedules, `--seed 123` one of them with its trace.
"""
