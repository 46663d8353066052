"""The strategies that come with the package, one a module."""
