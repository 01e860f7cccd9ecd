"""One of upstream's runners, which waits for a program as long as a busy machine may take:
runner.py run-tests.py|run-multitests.py ..."""

import importlib.util
import os
import sys

PATIENCE = 60  # seconds
LIMITS = {"run-tests.py": "TEST_TIMEOUT", "run-multitests.py": "INSTANCE_READ_TIMEOUT_S"}


def main():
    del sys.argv[0]
    path = sys.argv[0]
    sys.path[0], name = os.path.split(path)
    spec = importlib.util.spec_from_file_location("runner", path)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    setattr(runner, LIMITS[name], max(getattr(runner, LIMITS[name]), PATIENCE))
    runner.main()


if __name__ == "__main__":
    main()
