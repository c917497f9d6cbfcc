"""`python -m turnout`, the same as the command `turnout`."""

import sys

from turnout.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
