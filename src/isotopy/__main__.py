"""`python -m isotopy` is the command `isotopy`."""

from isotopy.cli import main

if __name__ == "__main__":
    main()
