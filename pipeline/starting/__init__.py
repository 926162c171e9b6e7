"""`tidegauge init`: looks at a sample of events, and writes a config to start from."""
