"""The one error of this package."""


class BrokerError(Exception):
    """What went wrong and what would mend it, in words for a person; more than one line where that helps."""
