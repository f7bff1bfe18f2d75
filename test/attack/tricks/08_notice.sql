-- a loop that RAISEs each row
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT email::text AS email FROM @TABLE@ LOOP
		RAISE NOTICE '%', r.email;
	END LOOP;
EXCEPTION WHEN OTHERS THEN
	NULL;
END $$;
