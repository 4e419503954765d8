"""The small primes, for moduli without small factors."""

from math import isqrt, prod

# The product of the odd primes that no modulus of an RSA key may have as a factor: see jwt_auth/jose/validation.py.
SMALL_PRIMES = prod(n for n in range(3, 752, 2) if all(n % smaller for smaller in range(3, isqrt(n) + 1, 2)))
