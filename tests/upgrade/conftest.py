"""The upgrade trial runs by `make upgrade-trial` alone: it builds the images of two releases, and takes minutes."""

import os

collect_ignore_glob = [] if os.environ.get("PREVIOUS") else ["test_*.py"]
