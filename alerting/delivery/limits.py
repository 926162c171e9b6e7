"""The pace a service allows, as a token bucket that is told the time."""

from dataclasses import dataclass, replace

_SLACK_S = 1e-6  # floating point loses less; so whoever waits for `wait_s` may call


@dataclass(frozen=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `per_s` a second; a call takes one. `tokens` as of `at_s`."""

    burst: float
    per_s: float
    tokens: float
    at_s: float

    @classmethod
    def of(cls, pace: tuple[int, float], now_s: float) -> "TokenBucket":
        """A full one for (calls, seconds): never more calls than that in any window of so many seconds.

        A bucket of n tokens that gains n a window lets nearly 2n through in the first window. So half of them are the
        burst, and what is gained makes up the rest.

        >>> TokenBucket.of((120, 60.0), now_s=0.0)
        TokenBucket(burst=61.0, per_s=1.0, tokens=61.0, at_s=0.0)
        """
        calls, window_s = pace
        burst = calls // 2 + 1
        return cls(float(burst), (calls + 1 - burst) / window_s, float(burst), now_s)

    def take(self, now_s: float) -> "TokenBucket | None":
        """The bucket after a call now; None: not now, see `wait_s`."""
        tokens = self._tokens(now_s)
        if tokens + self.per_s * _SLACK_S < 1.0:
            return None
        return replace(self, tokens=tokens - 1.0, at_s=max(now_s, self.at_s))

    def wait_s(self, now_s: float) -> float:
        """Seconds until a call is allowed; 0: now."""
        return max(0.0, 1.0 - self._tokens(now_s)) / self.per_s

    def _tokens(self, now_s: float) -> float:
        # The clock may be set back; tokens are neither lost nor gained by that.
        return min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_s)
