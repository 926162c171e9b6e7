"""Automation: when a remedy may be tried, how it is tried, what follows. Told the time; without I/O."""
