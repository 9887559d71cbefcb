"""The Python API: the steps of the command line as functions, with the words of its options."""
