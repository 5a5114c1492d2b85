"""`python -m edge` is `lobbycount`."""

from edge.cli import main

if __name__ == "__main__":
    main()
