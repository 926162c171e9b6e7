"""What we are compared with, one file each. They run in an environment of their own, so they import nothing of ours
but `stopwatch.py`."""
