"""Share what all stages of a run need: terminal, progress, timings, traffic, interrupts, prefetching."""
