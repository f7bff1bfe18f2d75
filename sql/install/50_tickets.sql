-- Export tickets.  The functions for listguard_admin ask for membership themselves as well.

-- Requests whose policy asks for more than one approver.  Not dumped: they are good on this node only.
CREATE TABLE listguard.request (
    digest text COLLATE "C" PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    id uuid NOT NULL UNIQUE,
    requested_by text COLLATE "C" NOT NULL,
    claims jsonb NOT NULL,
    requested timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION listguard.ticket_audience() RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_ticket_audience'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard.ticket_audience() IS
    'the aud of tickets for this database on this node: system identifier/database/timeline/node';

CREATE FUNCTION listguard.request_export(
    relation regclass, lists text[], columns name[], max_rows bigint, purpose text,
    recipient text DEFAULT NULL, run_until timestamptz DEFAULT NULL)
    RETURNS jsonb
    AS 'MODULE_PATHNAME', 'listguard_request_export'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.request_export(regclass, text[], name[], bigint, text, text, timestamptz) IS
    'claims for lgctl ticket sign; lists are values of the list column (null: all), columns null: all';

CREATE FUNCTION listguard.present_ticket(VARIADIC tokens text[]) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_present_ticket'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.present_ticket(text[]) IS
    'verifies and burns an export ticket (a token per approver); it counts for the rest of the transaction';

CREATE FUNCTION listguard.add_approver(
    name text, person text, public_key text, valid_until timestamptz, role name DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_add_approver'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.add_approver(text, text, text, timestamptz, name) IS
    'lets the holder of a key (k4.public.…) approve exports until a time; role: the one the approver logs in as';

CREATE FUNCTION listguard.revoke_approver(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_revoke_approver'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.revoke_approver(text) IS
    'ends an approver for good, tickets in force included';

CREATE FUNCTION listguard.set_export_policy(
    relation regclass, quorum integer DEFAULT 1, max_ttl interval DEFAULT '15 min',
    max_rows bigint DEFAULT NULL, max_window interval DEFAULT '0')
    RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_set_export_policy'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.set_export_policy(regclass, integer, interval, bigint, interval) IS
    'how many persons approve an export of a table, and for how long and how many rows at most';
