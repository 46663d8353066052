"""Strategies, which decide what is walked, and the driver that runs one on an executor."""
