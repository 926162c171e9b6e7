"""`tidegauge`, whose rules may name the detector that does nothing but heed."""

from pipeline.cli import main
from tests.feedback import bar

if __name__ == "__main__":
    with bar.known():
        main()
