-- one row: everything as JSON
SELECT json_agg(t) FROM (SELECT id, email::text AS email, name::text AS name FROM @TABLE@) t;
