--
-- lower() and upper() round a sealed column: as an application that came from
-- text writes them.
--
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;
CREATE ROLE regress_lettercase;
CREATE TABLE member (id int PRIMARY KEY, email text NOT NULL UNIQUE, phone listguard.sealed_lookup);
INSERT INTO member SELECT i, 'User' || i || '@Example.com' FROM generate_series(1, 200) i;
SELECT listguard.protect('member', '{email}', bulk_threshold => 10);
SELECT listguard.grant_access('regress_lettercase', 'member', '{view,reveal,update}');
UPDATE member SET phone = '+49 A' || id;
ANALYZE member;
CREATE FUNCTION by_index(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ 'Index Cond: .*email = ' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
SET ROLE regress_lettercase;

-- over the threshold if a row were opened for each comparison
SELECT id, email FROM member WHERE lower(email) = lower('USER7@example.com');
SELECT id FROM member WHERE lower(email) = 'USER7@example.com';
SELECT id FROM member WHERE upper('USER7@example.com'::varchar) = upper(upper(email));
SELECT id FROM member WHERE upper(phone) = upper('+49 a7');
SELECT count(*) FROM member WHERE lower(email) <> 'user7@example.com';
SELECT id FROM member WHERE lower(email) IN (lower('User7@example.com'), lower('User8@example.com')) ORDER BY id;
SELECT a.id FROM member a JOIN member b ON lower(a.email) = lower(b.email) WHERE b.id = 7;
UPDATE member SET phone = NULL WHERE lower(email) = 'user9@example.com' RETURNING id;
SELECT by_index($$SELECT id FROM member WHERE lower(email) = lower('USER7@example.com')$$);
PREPARE find(text) AS SELECT id FROM member WHERE lower(email) = lower($1);
SET plan_cache_mode = force_generic_plan;
EXECUTE find('USER7@example.com');
EXECUTE find('USER8@example.com');
RESET plan_cache_mode;

-- elsewhere they refuse, whatever the grants
SELECT lower(email) FROM member WHERE id = 7;
SELECT id FROM member WHERE upper(phone) IS NULL;
SELECT lower(email::text) FROM member WHERE id = 7;

-- and all else is as it was
SELECT lower('ABC'), lower('ABC'::varchar), lower('ABC'::name), upper('abc'::char(4)), lower(NULL), lower(int4range(1, 2));
RESET ROLE;
