import numpy as np
from numpy.typing import NDArray

def median_filter(input: NDArray[np.float64], size: int, *, mode: str) -> NDArray[np.float64]: ...
