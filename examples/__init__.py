"""Configs to start from, and stories to watch."""
