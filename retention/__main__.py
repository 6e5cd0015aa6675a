"""`python -m retention`: the command `lastcopy`."""

import sys

from retention.cli.main import main

sys.exit(main())
