"""Benchmarks: run classifiers x seeds x splits, each in a separate process, and compare classifiers with paired tests."""
