"""How much is done: enough for figures, or with --quick just enough to see that the scripts do their work."""

import sys

IS_QUICK = "--quick" in sys.argv


def of(full, quick):
    return quick if IS_QUICK else full
