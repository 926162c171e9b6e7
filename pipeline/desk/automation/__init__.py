"""Doing what automation has decided: the only place that changes the world outside."""
