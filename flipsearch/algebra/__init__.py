"""The ground floor: exact arithmetic that every other room computes with, each piece once.

Nothing here imports another part of flipsearch but its errors and rings. Every compiled function
has a slow plain counterpart in the tests.
"""
