"""What can be wrong with a snapshot, or with the place it is kept in."""


class SnapshotInvalid(Exception):
    """These bytes are no snapshot that may be used; the message says why."""


class StoreError(Exception):
    """The store could not do what was asked; nothing that was kept before is harmed."""
