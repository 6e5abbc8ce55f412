"""Let the tests import the modules of apply/ as its programs do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "apply"))
