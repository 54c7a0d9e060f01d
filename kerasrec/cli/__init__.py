"""The `kerasrec` command."""

from kerasrec.cli.app import main as main
