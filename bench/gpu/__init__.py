"""`python -m bench.gpu`: the cuda backend on a GPU, validated and measured, beside its limits and its rivals."""
