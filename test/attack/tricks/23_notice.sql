-- a loop that RAISEs each row
-- by a side channel: a NOTICE leaves before the statement ends, so the threshold bounds it
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
