"""The run-time type checker of the tests: an int is accepted for a float, as Python itself does."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
