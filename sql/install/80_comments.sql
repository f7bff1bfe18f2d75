-- Comments of the functions that stand behind types, operators and other functions.  Names that start with "_" are
-- listguard's own: nobody but the extension's owner may call them.

DO $comments$
DECLARE
    f record;
    said text;
BEGIN
    FOR f IN
        SELECT p.oid::pg_catalog.regprocedure AS signature,
               pg_catalog.substring(p.proname, '^(sealed_(?:email|lookup|text))_') AS type,
               pg_catalog.regexp_replace(p.proname, '^sealed_(email|lookup|text)_', '') AS role
        FROM pg_catalog.pg_proc p
        WHERE p.pronamespace OPERATOR(pg_catalog.=) 'listguard'::pg_catalog.regnamespace
          AND p.proname OPERATOR(pg_catalog.~) '^sealed_'
          AND pg_catalog.obj_description(p.oid, 'pg_proc') IS NULL
    LOOP
        said := CASE f.role
            WHEN 'in' THEN 'seals text, or takes armour from who may give it'
            WHEN 'out' THEN 'clear, masked or armoured text, as road and grants say'
            WHEN 'recv' THEN 'as the input function, of a binary message'
            WHEN 'send' THEN 'as the output function, for a binary message'
            WHEN 'coerce' THEN 'moves a value under the list that the type modifier names; from another list that needs reveal'
            WHEN 'from_text' THEN 'seals a text'
            WHEN 'from_varchar' THEN 'seals a varchar'
            WHEN 'from_bpchar' THEN 'seals a char'
            WHEN 'to_text' THEN 'clear or masked text; counts as a reveal'
            WHEN 'to_varchar' THEN 'clear or masked varchar; counts as a reveal'
            WHEN 'to_bpchar' THEN 'clear or masked char; counts as a reveal'
            WHEN 'eq' THEN 'are the tokens equal?'
            WHEN 'ne' THEN 'do the tokens differ?'
            WHEN 'lt' THEN 'order of tokens, for btree; it means nothing'
            WHEN 'le' THEN 'order of tokens, for btree; it means nothing'
            WHEN 'gt' THEN 'order of tokens, for btree; it means nothing'
            WHEN 'ge' THEN 'order of tokens, for btree; it means nothing'
            WHEN 'cmp' THEN 'btree support: compares tokens'
            WHEN 'hash' THEN 'hash support: 32 bits of the token'
            WHEN 'hash_extended' THEN 'hash support: 64 bits of the token and a seed'
            WHEN 'sealed_typmod_in' THEN 'a type modifier is a list''s number'
            WHEN 'sealed_typmod_out' THEN 'a type modifier is a list''s number'
            WHEN 'sealed_analyze' THEN 'statistics of a sealed column: how many values differ and how wide they are, no value'
            WHEN 'sealed_sortsupport' THEN 'btree support: sorts by abbreviated tokens'
            WHEN 'sealed_equalimage' THEN 'btree support: false, equal values can differ in bits'
        END;
        IF said IS NULL THEN
            RAISE EXCEPTION 'function % needs a comment', f.signature;
        END IF;
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', f.signature,
                                  pg_catalog.concat_ws(': ', f.type, said));
    END LOOP;
END
$comments$;

COMMENT ON FUNCTION listguard._as_owner(regclass, text) IS
    'runs a command on a table as its owner, in a restricted security context';
COMMENT ON FUNCTION listguard._internal(text) IS
    'runs a command past listguard''s own guards';
COMMENT ON FUNCTION listguard._audit_guard_on(regclass) IS
    'puts the trigger that keeps everybody from writing on a partition of the audit';
COMMENT ON FUNCTION listguard._audit_partitions(timestamptz) IS
    'makes the audit''s partitions of a month and the two after it';
COMMENT ON FUNCTION listguard._event(text, text, jsonb) IS
    'puts an administrative event on record, synced';
COMMENT ON FUNCTION listguard._bind(text, text, oid) IS
    'notes which oid a name of the registry stands for';
COMMENT ON FUNCTION listguard._ensure_keyset() IS
    'keyset, index key and default list, where the database has none';
COMMENT ON FUNCTION listguard._ensure_list(regclass, text) IS
    'number of a list, made with its key where it is new';
COMMENT ON FUNCTION listguard._create_list(text, text) IS
    'makes a list and its key in this transaction';
COMMENT ON FUNCTION listguard._convert(regclass, name[], name, int) IS
    'changes the address columns of a table to sealed types';
COMMENT ON FUNCTION listguard._guard_table(regclass) IS
    'row security and triggers of a protected table and its partitions';
COMMENT ON FUNCTION listguard._register(regclass, name[], name, name[], int, text, text) IS
    'writes a protected table into the registry';
COMMENT ON FUNCTION listguard._take_over_privileges(regclass, boolean) IS
    'revokes the privileges that roles hold on a table, or turns them into grants of view';
COMMENT ON FUNCTION listguard._sync_role(oid, text) IS
    'writes the policies and privileges of one role on one table as its grants say';
COMMENT ON FUNCTION listguard._sync_backup(text) IS
    'gives or takes what a role with the grant backup needs for a dump';
COMMENT ON FUNCTION listguard._policy_name(text, text) IS
    'name of the policy for a role and a privilege';
COMMENT ON FUNCTION listguard._policy_condition(oid, text, text) IS
    'condition of that policy: guard, lists, further expression';
COMMENT ON FUNCTION listguard._trusted_expression(regclass, text) IS
    'checks a using_expr: no subquery, nothing volatile, nothing untrusted';
COMMENT ON FUNCTION listguard._check_protect(regclass,name[],name,name[],int,text,text) IS
    'refuses what protect cannot do, before anything is changed';
COMMENT ON FUNCTION listguard._check_triggers(oid) IS 'refuses a table whose own BEFORE ROW trigger would fire after the one that seals';
COMMENT ON FUNCTION listguard._check_relation(regclass) IS
    'is this a table that can be protected?';
COMMENT ON FUNCTION listguard._check_column(regclass, name) IS
    'does the column exist?';
COMMENT ON FUNCTION listguard._check_address_column(regclass, name) IS
    'can the column be sealed?';
COMMENT ON FUNCTION listguard._check_list_column(regclass, name, name[]) IS
    'can the column say to which list a row belongs?';
COMMENT ON FUNCTION listguard._check_privileges(text[]) IS
    'are these privileges of listguard?';
COMMENT ON FUNCTION listguard._is_privilege(text) IS
    'is this a privilege of listguard?';
COMMENT ON FUNCTION listguard._index_expression_columns(oid) IS
    'columns that an index uses in expressions or in its predicate';
COMMENT ON FUNCTION listguard._list_name(int) IS
    'name of a list, as claims of a ticket use it';
COMMENT ON FUNCTION listguard._list_number(oid, text) IS
    'number of a list by its value';
COMMENT ON FUNCTION listguard._lists_meant(regclass, text[]) IS
    'numbers of the lists that a caller named';
COMMENT ON FUNCTION listguard._members(oid) IS
    'a table and its partitions';
COMMENT ON FUNCTION listguard._relation_name(oid) IS
    'name of a relation as the registry writes it';
COMMENT ON FUNCTION listguard._require_protected(regclass) IS
    'error unless the table is protected';
COMMENT ON FUNCTION listguard._require_role(name) IS
    'oid of a role, or an error';
COMMENT ON FUNCTION listguard._sealing_of(oid) IS
    'the sealed type that a type is, text where it can become sealed_email, else null';
COMMENT ON FUNCTION listguard._unused_list_number() IS
    'random list number that was never used';
COMMENT ON FUNCTION listguard._catch_up(oid) IS
    'brings triggers and policies of a protected table up to date after DDL';
COMMENT ON FUNCTION listguard._forget(text, text) IS
    'takes a dropped relation or role out of the registry';
COMMENT ON FUNCTION listguard._rename(text, text, text) IS
    'follows a RENAME of a relation or a role in the registry';
COMMENT ON FUNCTION listguard._rename_column(text, name, name) IS
    'follows a RENAME of a column in the registry';
COMMENT ON FUNCTION listguard._check_nested(oid) IS
    'refuses columns that hold a sealed type inside an array, a domain, a composite or a range';
COMMENT ON FUNCTION listguard._partitions_by(oid, name) IS
    'is a column part of the partition key of a table or of a partition of it';
COMMENT ON FUNCTION listguard._reseal_in_place(regclass, text) IS
    'seals the values of partition key columns anew, where the column''s type cannot be changed';
