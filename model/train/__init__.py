"""Training of fastsim's network: prepare -> train -> refit -> calibrate -> export; see README.md.

The only part that needs PyTorch.

Run a step from the repository's root as `python -m model.train.STEP`.
"""
