"""Benchmarks, one per claim: each prints a table and writes JSON under results/."""
