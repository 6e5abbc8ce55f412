"""Let the tests import the modules of tasks/ as the tasks themselves do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tasks"))
