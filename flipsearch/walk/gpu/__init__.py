"""Run plain walks on a GPU, thousands at once."""
