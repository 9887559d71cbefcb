"""fastsim: find near-duplicate images and video frames, group or clean them."""

__version__ = "0.1.0"
