-- a window that collects
SELECT string_agg(email::text, ' ') OVER () FROM @TABLE@ LIMIT 1;
