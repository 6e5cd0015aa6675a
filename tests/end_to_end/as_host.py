"""The command line as if on another machine: `python as_host.py NAME export …`.

Rules of this file: only what a machine says of itself is replaced: boot id and host name.
"""

import socket
import sys

from exporters.bag import fence
from retention.cli.main import main

NAME = sys.argv[1]
fence._boot = lambda: f"{NAME}/pid:[4026531836]"
socket.gethostname = lambda: NAME

if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
