"""`python -m quire_worker`: ties the process to the engine first, and imports anything that takes time only then."""

import os
import sys

from .lifeline import die_with_parent, guard_process_group, read_token


def run() -> None:
    os.dup2(2, 1)  # what libraries print must not be mistaken for anything
    parent = int(sys.argv[sys.argv.index("--parent") + 1]) if "--parent" in sys.argv[:-1] else os.getppid()
    die_with_parent(parent)
    token = read_token()
    guard_process_group()
    from .main import arguments, connect, serve

    options = arguments(sys.argv[1:])
    status = serve(connect(options.socket, options.host, options.port), token)
    sys.stderr.flush()
    os._exit(status)  # frameworks may take many seconds to tear down what the system frees at once


run()
