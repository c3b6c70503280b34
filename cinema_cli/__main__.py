"""The `cinema` program, also as `python -m cinema_cli`: Ctrl-C ends it quietly even while it is still loading."""

import sys


def main() -> None:
    """Load the program and run the command line."""
    try:
        from cinema_cli.commands.app import main as start

        start()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
