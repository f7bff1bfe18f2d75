-- an own function that swallows errors
CREATE FUNCTION loot.take() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	taken text[] := '{}';
BEGIN
	BEGIN
		FOR r IN SELECT email::text AS email FROM @TABLE@ LOOP
			taken := taken || r.email;
		END LOOP;
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	RETURN QUERY SELECT unnest(taken);
END $$;
SELECT * FROM loot.take();
DROP FUNCTION loot.take();
