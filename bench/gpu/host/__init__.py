"""What a GPU machine without a network needs: `pack` on a machine with one, `there.py` on that machine (bench/README.md, GPU)."""
