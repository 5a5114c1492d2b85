"""`python -m evaluation` is `evaluation`."""

from evaluation.cli import main

if __name__ == "__main__":
    main()
