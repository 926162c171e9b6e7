from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

def brentq(f: Callable[[float], float], a: float, b: float) -> float: ...
def linear_sum_assignment(cost_matrix: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
