"""`tidegauge test`: runs tests of rules through the worker's engine, compares, and says what differs."""
