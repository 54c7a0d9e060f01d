"""`python -m kerasrec`, for systems where the command is not on the path."""

from kerasrec.cli import main

if __name__ == "__main__":
    main()
