"""Make Octavia's configuration and its tables, in its own environment: python schema.py DIRECTORY URL."""

import sys
from pathlib import Path

from compare.octavia.serve import make_database, write_conf


def main():
    """Write the configuration and make the tables."""
    directory, connection = Path(sys.argv[1]), sys.argv[2]
    from octavia.common import config

    config.init(["--config-file", str(write_conf(directory, connection))])
    make_database()


if __name__ == "__main__":
    main()
