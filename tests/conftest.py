"""Makes the helper modules beside this file importable from every test folder.

Hypothesis runs without deadlines: the first call of a jitted function compiles it.
"""

from hypothesis import settings

settings.register_profile("flipsearch", deadline=None)
settings.load_profile("flipsearch")
