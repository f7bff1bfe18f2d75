/*-------------------------------------------------------------------------
 *
 * home.c
 *		Copied databases and data directories are noticed.
 *
 * listguard.home, which no dump carries, names the place where the database
 * lives: the server's system identifier, the database's oid, the node of the
 * spool.  CREATE DATABASE ... TEMPLATE changes the oid, pg_upgrade the system
 * identifier, a copied or restored data directory the node.  Where one differs
 * this is a copy: it seals and masks, but reveals nothing until
 * adopt_database() has bound it to its new place.
 *
 * A standby has a node of its own, and the row of the server that it follows:
 * its node says that it was started as a standby (audit/segment.c), so that
 * it goes on revealing when it is promoted.
 *
 * A database without a row is one whose first protect is under way, or one
 * that was restored from a dump: the worker writes the row.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "key/keyring.h"
#include "policy/home.h"
#include "policy/policy.h"
#include "worker/worker.h"

/* Attribute numbers of listguard.home, see 46_home.sql. */
#define Anum_system		2
#define Anum_database	3
#define Anum_node		4
#define Anum_noticed	7

#define PLACE_TEXT		96		/* "system/database/node", NUL included */

typedef enum HomeState
{
	HOME_NONE,					/* no row */
	HOME_HERE,
	HOME_COPIED
} HomeState;

typedef struct HomeRow
{
	HomeState	state;
	bool		noticed;		/* the copy here is on record */
	char		place[PLACE_TEXT];	/* as the row has it */
} HomeRow;

static struct
{
	uint64		generation;
	bool		copied;
}			cache;

/* system/database/node, as it is here. */
static void
place_here(char place[PLACE_TEXT])
{
	char	   *node = DatumGetCString(DirectFunctionCall1(uuid_out,
														   UUIDPGetDatum((const pg_uuid_t *) lg_node_id())));

	snprintf(place, PLACE_TEXT, UINT64_FORMAT "/%u/%s", GetSystemIdentifier(), MyDatabaseId, node);
	pfree(node);
}

static void
read_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	HomeRow    *row = arg;
	bool		isnull;
	char	   *system = lg_registry_text(tuple, Anum_system, desc);
	char	   *noticed = lg_registry_text(tuple, Anum_noticed, desc);
	Oid			database = DatumGetObjectId(heap_getattr(tuple, Anum_database, desc, &isnull));
	pg_uuid_t  *node = DatumGetUUIDP(heap_getattr(tuple, Anum_node, desc, &isnull));
	char		here[PLACE_TEXT];
	char		system_here[24];

	place_here(here);
	snprintf(system_here, sizeof(system_here), UINT64_FORMAT, GetSystemIdentifier());
	snprintf(row->place, PLACE_TEXT, "%s/%u/%s", system, database,
			 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(node))));
	row->noticed = noticed != NULL && strcmp(noticed, here) == 0;
	row->state = strcmp(system, system_here) == 0 && database == MyDatabaseId &&
		(memcmp(node, lg_node_id(), UUID_LEN) == 0 || lg_node_standby()) ? HOME_HERE : HOME_COPIED;
}

static void
look(HomeRow *row)
{
	memset(row, 0, sizeof(*row));
	lg_registry_scan("home", NULL, 0, NULL, read_row, row);
}

/*
 * lg_home_copied
 *		See home.h.
 *
 * What is to be written, a restored database's row or an event about the copy,
 * is the worker's to write: it is woken once per generation of the registry.
 */
bool
lg_home_copied(void)
{
	uint64		generation = lg_registry_generation;
	HomeRow		row;

	if (cache.generation == generation)
		return cache.copied;
	if (!lg_extension_present())
		return false;
	look(&row);
	cache.copied = row.state == HOME_COPIED;
	cache.generation = generation;
	if ((row.state == HOME_NONE || (row.state == HOME_COPIED && !row.noticed)) &&
		!lg_in_worker() && !RecoveryInProgress())
		lg_worker_wake();
	return cache.copied;
}

/*
 * lg_home_require
 *		See home.h.
 */
void
lg_home_require(void)
{
	if (lg_home_copied())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database is a copy and reveals nothing"),
				 errdetail("It was copied, restored from files or upgraded since it last revealed."),
				 errhint("If that is meant, a member of listguard_admin calls listguard.adopt_database().")));
}

/* Bind the database to this place, whatever place it is bound to. */
static void
bind_here(void)
{
	Oid			types[] = {TEXTOID, OIDOID, UUIDOID};
	Datum		values[3];
	char		system[24];

	snprintf(system, sizeof(system), UINT64_FORMAT, GetSystemIdentifier());
	values[0] = CStringGetTextDatum(system);
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = UUIDPGetDatum((const pg_uuid_t *) lg_node_id());
	(void) lg_registry_execute("INSERT INTO listguard.home (system, database, node) VALUES ($1, $2, $3)"
							   " ON CONFLICT (only_one) DO UPDATE SET system = EXCLUDED.system,"
							   " database = EXCLUDED.database, node = EXCLUDED.node, since = EXCLUDED.since, noticed = NULL,"
							   " origin = CASE WHEN home.noticed IS NULL THEN EXCLUDED.origin ELSE home.origin END",
							   3, types, values);
}

/*
 * lg_home_make
 *		See home.h.
 */
void
lg_home_make(void)
{
	HomeRow		row;

	look(&row);
	if (row.state == HOME_NONE)
		bind_here();
}

static void
on_record(LgEventKind kind, LgOutcome outcome, const char *what, const char *from)
{
	LgEvent		ev;
	char		here[PLACE_TEXT];

	place_here(here);
	lg_event_init(&ev, kind, outcome);
	ev.detail = psprintf("{\"%s\": \"%s\", \"from\": \"%s\"}", what, here, from);
	lg_audit_event(&ev, LG_SYNCED, NULL);
}

/* The copy begins a log of its own, and says so once. */
static void
notice(const HomeRow *row)
{
	Oid			types[] = {TEXTOID};
	Datum		values[1];
	char		here[PLACE_TEXT];

	place_here(here);
	on_record(LG_EV_ALARM, LG_OUT_ALERT, "copied", row->place);
	ereport(LOG,
			(errmsg("this database is a copy and reveals nothing until listguard.adopt_database()"),
			 errdetail("It lived at %s and is now at %s (system identifier, database, node).", row->place, here)));
	values[0] = CStringGetTextDatum(here);
	(void) lg_registry_execute("UPDATE listguard.home SET noticed = $1, origin = pg_catalog.gen_random_uuid()",
							   1, types, values);
}

/*
 * lg_home_in_worker
 *		See home.h.
 */
void
lg_home_in_worker(void)
{
	uint8		keyset[LG_KEYSET_BYTES];
	HomeRow		row;

	if (!lg_extension_present())
		return;
	look(&row);
	if (row.state == HOME_COPIED && !row.noticed)
		notice(&row);
	else if (row.state == HOME_NONE && lg_keyset_id(keyset))
	{
		bind_here();
		on_record(LG_EV_SETTING, LG_OUT_OK, "home", "");
	}
}

PG_FUNCTION_INFO_V1(listguard_adopt_database);

/*
 * adopt_database()
 *		A copy lives here from now on.
 *
 * 42501 for others than administrators; 25006 on a standby, where it is the
 * primary that has to be adopted.
 */
Datum
listguard_adopt_database(PG_FUNCTION_ARGS)
{
	HomeRow		row;

	lg_require_preload();
	if (!lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", "adopt_database")));
	PreventCommandIfReadOnly("adopt_database()");
	PreventCommandDuringRecovery("adopt_database()");
	look(&row);
	if (row.state != HOME_COPIED)
		ereport(NOTICE,
				(errmsg("this database is not a copy: there is nothing to adopt")));
	else
	{
		bind_here();
		on_record(LG_EV_SETTING, LG_OUT_OK, "adopted", row.place);
	}
	PG_RETURN_VOID();
}
