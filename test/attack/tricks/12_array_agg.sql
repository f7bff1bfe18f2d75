-- one row: array_agg of all
SELECT array_agg(email) FROM @TABLE@;
