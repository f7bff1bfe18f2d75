-- rows first, the error swallowed, the rest after
CREATE FUNCTION loot.quiet() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	taken text;
BEGIN
	SELECT string_agg(email::text, ' ') INTO taken FROM @TABLE@;
	RETURN taken;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;
SELECT loot.quiet();
DROP FUNCTION loot.quiet();
