-- one row: string_agg of all
SELECT string_agg(email::text, ' ') FROM @TABLE@;
