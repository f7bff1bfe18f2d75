-- UNION ALL of many small pieces
SELECT 'SELECT email::text FROM @TABLE@ WHERE id % 100 = 0'
	|| string_agg(format(' UNION ALL SELECT email::text FROM @TABLE@ WHERE id %% 100 = %s', n), '')
FROM generate_series(1, 99) n
\gexec
