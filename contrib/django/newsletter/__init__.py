"""Example application: a list that began in plaintext and was sealed later."""
