"""Against the frameworks themselves: `make test-integrations` has them, `make test` does without."""

import os
from importlib.util import find_spec

os.environ["KERAS_BACKEND"] = "torch"  # before anything imports it

collect_ignore_glob = [] if find_spec("transformers") else ["test_*.py"]
