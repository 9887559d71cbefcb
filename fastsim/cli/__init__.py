"""Provide the command line: options, exit codes, and one module per command."""
