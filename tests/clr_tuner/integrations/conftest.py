"""Against the frameworks themselves: `make test-integrations` has them, `make test` does without."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("transformers") else ["test_*.py"]
