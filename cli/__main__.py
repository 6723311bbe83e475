"""`python -m cli` is `mem`."""

import sys

from cli.main import main

sys.exit(main())
