"""The command line: options, exit codes, and one module a command."""
