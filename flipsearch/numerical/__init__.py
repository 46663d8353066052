"""Find schemes over the rationals by numerical optimisation and rounding."""
