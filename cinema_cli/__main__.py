"""`python -m cinema_cli` is `cinema`."""

from cinema_cli.commands.app import main

main()
