"""The desk's HTTP: Alertmanager's API, version 2, and what is ours."""

from pipeline.desk.http.app import app

__all__ = ["app"]
