"""Benchmarks: classifiers x seeds x splits, each run in a process of its own, compared with paired tests."""
