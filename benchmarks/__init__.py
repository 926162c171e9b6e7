"""Measurements of speed: each starts what it needs, prints a table, writes JSON. docs/benchmarks.md explains them."""
