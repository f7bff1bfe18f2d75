-- TABLE, the short way
TABLE @TABLE@;
