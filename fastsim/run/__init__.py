"""Shared by all stages of a run: terminal, progress, timings, traffic, interrupts, prefetching."""
