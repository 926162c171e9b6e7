"""The desk's part of the file: Alertmanager's keys in its own shape, and ours beside them."""
