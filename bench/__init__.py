"""Benchmarks: `make bench`. Nothing here is a test, and nothing is imported by the product."""
