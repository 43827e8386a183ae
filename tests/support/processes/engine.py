"""What a forked run runs, in tests: a main module that says where it is, and ends as it is told."""

import atexit
import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    told = Path(os.environ["TOLD"])
    found = {"pid": os.getpid(), "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    found["modules"] = sorted(sys.modules)
    atexit.register(lambda: told.with_suffix(".ended").touch())
    told.write_text(json.dumps(found))
    match os.environ["END"]:
        case "waits":
            time.sleep(60)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raises":
            raise KeyError
        case status:
            sys.exit(int(status))
