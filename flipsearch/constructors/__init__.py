"""Schemes from formulas: constructions for every size, each with its proof."""
