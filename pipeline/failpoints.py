"""Places where a test may end this process at once, as a power cut would.

`TIDEGAUGE_FAILPOINT=saved:3` ends it at the third time.

For fault tests of real workers only; without the variable they cost one comparison.
"""

import os
import signal
from collections import Counter

_NAME, _, _TIMES = os.environ.get("TIDEGAUGE_FAILPOINT", "").partition(":")
_seen: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL where the environment asks for it."""
    if name != _NAME:
        return
    _seen[name] += 1
    if _seen[name] >= int(_TIMES or 1):
        os.kill(os.getpid(), signal.SIGKILL)
