-- What an owner, a member and an ordinary role try against protect and the sealing trigger.
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;
CREATE ROLE regress_intruder;
CREATE ROLE regress_landlord;
GRANT CREATE ON SCHEMA public TO regress_landlord;
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SET ROLE regress_landlord;
CREATE TABLE flat (id int PRIMARY KEY, list text NOT NULL, email text);
INSERT INTO flat VALUES (1, 'a', 'ann@example.com');
CREATE TABLE seen (what text);
RESET ROLE;
SELECT listguard.protect('flat', '{email}', 'list');
SELECT listguard.grant_access('regress_intruder', 'flat', '{view,insert,update}', '{a}');
SELECT listguard.grant_access('regress_landlord', 'flat', '{view,insert}');

-- a row that the policies will refuse leaves no list and no key behind
SET ROLE regress_intruder;
SELECT attempt($$INSERT INTO flat VALUES (2, 'b', 'eve@example.com')$$);
SELECT attempt($$UPDATE flat SET list = 'c', email = 'eve@example.com'$$);
SELECT attempt($$INSERT INTO flat VALUES (1, 'd', 'eve@example.com') ON CONFLICT DO NOTHING$$);
SELECT attempt($$INSERT INTO flat VALUES (3, 'a', 'eve@example.com')$$);
RESET ROLE;
SELECT value FROM listguard.list WHERE relation = 'public.flat' ORDER BY value;
-- who holds the whole table begins lists
SET ROLE regress_landlord;
SELECT attempt($$INSERT INTO flat VALUES (4, 'e', 'bob@example.com')$$);
RESET ROLE;
SELECT value FROM listguard.list WHERE relation = 'public.flat' ORDER BY value;

-- a trigger that would fire after the one that seals
SET ROLE regress_landlord;
CREATE TABLE cellar (email text);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.email := 'late@example.com'; RETURN NEW; END$$;
CREATE TRIGGER "~z" BEFORE INSERT ON cellar FOR EACH ROW EXECUTE FUNCTION late();
RESET ROLE;
SELECT attempt($$SELECT listguard.protect('cellar', '{email}')$$);
ALTER TRIGGER "~z" ON cellar RENAME TO early;
SELECT attempt($$SELECT listguard.protect('cellar', '{email}')$$);
SELECT listguard.grant_access('regress_landlord', 'cellar', '{view,insert}');
SET ROLE regress_landlord;
INSERT INTO cellar VALUES ('eve@example.com');
RESET ROLE;
SELECT email = 'late@example.com' AS late FROM cellar;

-- code of an owner that protect's ALTER TABLE runs finds the guards closed
SET ROLE regress_landlord;
CREATE FUNCTION inner_code() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (public.attempt('ALTER TABLE public.flat DISABLE ROW LEVEL SECURITY')),
        (public.attempt('ALTER TABLE public.flat DISABLE TRIGGER listguard_ins')),
        (public.attempt('DROP TRIGGER "~listguard_seal" ON public.flat'));
    RETURN 'x';
END
$$;
CREATE FUNCTION outer_code(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT public.inner_code()); END$$;
CREATE TABLE bait (name text, email text);
CREATE INDEX ON bait (outer_code(name));
INSERT INTO bait VALUES ('x', 'ann@example.com');
DELETE FROM seen;
RESET ROLE;
SELECT attempt($$SELECT listguard.protect('bait', '{email}')$$);
SELECT DISTINCT what FROM seen ORDER BY 1;
SELECT relrowsecurity FROM pg_class WHERE oid = 'flat'::regclass;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'flat'::regclass ORDER BY 1;

-- sealed types inside others, which the trigger would not seal
CREATE DOMAIN post AS listguard.sealed_email;
CREATE TYPE card AS (who text, post post[]);
CREATE TABLE shelf (email text, cards card[]);
SELECT attempt($$ALTER TABLE flat ADD COLUMN more listguard.sealed_email[]$$);
SELECT attempt($$ALTER TABLE flat ADD COLUMN more post$$);
SELECT attempt($$ALTER TABLE flat ADD COLUMN more card$$);
SELECT attempt($$ALTER TABLE flat ADD COLUMN more int[]$$);
SELECT attempt($$SELECT listguard.protect('shelf', '{email}')$$);
DROP TABLE shelf;
DROP TYPE card;
DROP DOMAIN post;

DROP TABLE flat, seen, cellar, bait;
DROP FUNCTION attempt, late, outer_code, inner_code;
DROP EXTENSION listguard;
DROP EXTENSION pgcrypto;
REVOKE CREATE ON SCHEMA public FROM regress_landlord;
DROP ROLE regress_intruder, regress_landlord;
