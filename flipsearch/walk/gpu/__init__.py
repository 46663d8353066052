"""Plain walks on a GPU, thousands at once."""
