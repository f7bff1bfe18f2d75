/*-------------------------------------------------------------------------
 *
 * binding.c
 *		Names and oids: what a registry row's name means now.
 *
 * Registry rows name roles and relations by text.  listguard.binding, which no
 * dump carries, says which oid a name stood for when it was first used here:
 * a row counts only while both match, so that a role or table made anew under
 * an old name inherits nothing.  Where there is no binding yet, after a
 * restore, the name counts and the worker is asked to bind it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "audit/audit.h"
#include "policy/policy.h"
#include "worker/worker.h"

#define Anum_kind	1
#define Anum_name	2
#define Anum_oid	3

/* Names of the registry that resolve and have no binding yet. */
#define UNBOUND \
	"SELECT n.kind, n.name, n.oid FROM (" \
	"SELECT 'role' AS kind, r.rolname::text COLLATE \"C\" AS name, r.oid FROM pg_catalog.pg_roles r" \
	" WHERE EXISTS (SELECT FROM listguard.access_grant g WHERE g.role = r.rolname::text COLLATE \"C\")" \
	" OR EXISTS (SELECT FROM listguard.row_limit l WHERE l.role = r.rolname::text COLLATE \"C\")" \
	" UNION ALL SELECT 'relation', t.relation, pg_catalog.to_regclass(t.relation)::oid" \
	" FROM (SELECT relation FROM listguard.protected_table UNION SELECT relation FROM listguard.detached) t) n" \
	" WHERE n.oid IS NOT NULL AND NOT EXISTS (SELECT FROM listguard.binding b WHERE b.kind = n.kind AND b.name = n.name)"

typedef struct Binding
{
	char	   *name;
	bool		is_role;
	Oid			oid;
} Binding;

static struct
{
	uint64		generation;
	List	   *all;			/* of Binding */
	bool		loaded;
	bool		asked;			/* the worker, for the missing ones */
}			cache;

/*
 * lg_relation_name
 *		schema.table, both quoted where needed; NULL if the relation is gone.
 */
char *
lg_relation_name(Oid relid)
{
	char	   *relname = get_rel_name(relid);
	char	   *nspname = relname != NULL ? get_namespace_name(get_rel_namespace(relid)) : NULL;

	return nspname != NULL ? quote_qualified_identifier(nspname, relname) : NULL;
}

static void
load_binding(HeapTuple tuple, TupleDesc desc, void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(lg_registry_memory());
	Binding    *binding = palloc(sizeof(Binding));
	bool		isnull;

	(void) arg;
	binding->is_role = strcmp(lg_registry_text(tuple, Anum_kind, desc), "role") == 0;
	binding->name = lg_registry_text(tuple, Anum_name, desc);
	binding->oid = DatumGetObjectId(heap_getattr(tuple, Anum_oid, desc, &isnull));
	cache.all = lappend(cache.all, binding);
	MemoryContextSwitchTo(old);
}

/* All bindings, of the generation that the caches now hold. */
static void
load(void)
{
	uint64		generation = lg_registry_loaded();

	if (cache.loaded && cache.generation == generation)
		return;
	memset(&cache, 0, sizeof(cache));
	lg_registry_scan("binding", NULL, 0, NULL, load_binding, NULL);
	cache.generation = generation;
	cache.loaded = true;
}

/*
 * unbound
 *		Have the worker bind names, once per generation and without waiting.
 */
static void
unbound(void)
{
	if (cache.asked || lg_in_worker() || RecoveryInProgress())
		return;
	cache.asked = true;
	lg_worker_wake();
}

/*
 * bound_oid
 *		The oid of a name whose binding says otherwise.
 *
 * Roles are the cluster's: one that was renamed in another database is still
 * the one that was granted to, and the worker is asked to write its new name.
 */
static Oid
bound_oid(const Binding *binding)
{
	if (!binding->is_role || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(binding->oid)))
		return InvalidOid;
	unbound();
	return binding->oid;
}

/* The oid, if the binding of the name agrees with it; else InvalidOid. */
static Oid
if_bound(bool is_role, const char *name, Oid oid)
{
	ListCell   *lc;

	load();
	foreach(lc, cache.all)
	{
		Binding    *binding = lfirst(lc);

		if (binding->is_role == is_role && strcmp(binding->name, name) == 0)
			return binding->oid == oid ? oid : bound_oid(binding);
	}
	if (OidIsValid(oid))
		unbound();
	return oid;
}

/*
 * lg_resolve_role
 *		The role that a registry row's name means; InvalidOid: none, or another
 *		role than the one it was bound to.
 */
Oid
lg_resolve_role(const char *name)
{
	return if_bound(true, name, get_role_oid(name, true));
}

/*
 * lg_resolve_relation
 *		The same for a relation.
 */
Oid
lg_resolve_relation(const char *name)
{
	char	   *copy = pstrdup(name);
	List	   *parts;
	Oid			nsp;

	/* Not textToQualifiedNameList: a malformed name is inert, not an error. */
	if (!SplitIdentifierString(copy, '.', &parts) || list_length(parts) != 2)
		return InvalidOid;
	nsp = get_namespace_oid(linitial(parts), true);
	if (!OidIsValid(nsp))
		return InvalidOid;
	return if_bound(false, name, get_relname_relid(lsecond(parts), nsp));
}

/*
 * lg_registry_execute
 *		Run one statement of ours as the extension's owner; returns the number of
 *		rows.  NULL arguments are not supported.
 */
uint64
lg_registry_execute(const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			save_user;
	int			save_context;
	uint64		processed;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(lg_extension_owner(),
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	lg_internal_enter();
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not write the registry");
	processed = SPI_processed;
	SPI_finish();
	lg_internal_leave();
	SetUserIdAndSecContext(save_user, save_context);
	CommandCounterIncrement();
	return processed;
}

/*
 * lg_bind_names
 *		Bind every name of the registry that resolves and has no binding yet, and
 *		write the names of roles that were renamed in another database.
 *
 * In the worker's own transaction, or before a RENAME in that of its session;
 * one event tells how many there were.
 */
void
lg_bind_names(void)
{
	LgEvent		ev;
	uint64		bound;
	uint64		roles;

	if (!lg_extension_present())
		return;
	roles = lg_registry_execute("SELECT listguard._follow_roles()", 0, NULL, NULL);
	/* an INSERT of no row would still make every session forget the registry */
	bound = lg_registry_execute(UNBOUND, 0, NULL, NULL);
	if (bound > 0)
		bound = lg_registry_execute("INSERT INTO listguard.binding (kind, name, oid) " UNBOUND " ON CONFLICT DO NOTHING",
									0, NULL, NULL);
	if (bound + roles == 0)
		return;
	lg_event_init(&ev, LG_EV_SETTING, LG_OUT_OK);
	ev.detail = psprintf("{\"bound\": " UINT64_FORMAT ", \"renamed_roles\": " UINT64_FORMAT "}", bound, roles);
	lg_audit_event(&ev, LG_SYNCED, NULL);
}

/*
 * renamed
 *		A relation or role has a new name: the registry follows.
 */
static void
renamed(bool is_role, const char *old_name, const char *new_name)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];

	values[0] = CStringGetTextDatum(is_role ? "role" : "relation");
	values[1] = CStringGetTextDatum(old_name);
	values[2] = CStringGetTextDatum(new_name);
	(void) lg_registry_execute("SELECT listguard._rename($1, $2, $3)", 3, types, values);
}

/*
 * lg_registry_follow_names
 *		After a RENAME or SET SCHEMA of anything, in the same transaction: every
 *		bound name is made what its oid is called now.
 */
void
lg_registry_follow_names(void)
{
	List	   *all = NIL;
	ListCell   *lc;

	lg_registry_refresh();
	load();
	/* our own writes empty the cache */
	foreach(lc, cache.all)
	{
		Binding    *binding = palloc(sizeof(Binding));

		*binding = *(Binding *) lfirst(lc);
		binding->name = pstrdup(binding->name);
		all = lappend(all, binding);
	}
	foreach(lc, all)
	{
		Binding    *binding = lfirst(lc);
		char	   *now = binding->is_role ? GetUserNameFromId(binding->oid, true) :
			lg_relation_name(binding->oid);

		if (now != NULL && strcmp(now, binding->name) != 0)
			renamed(binding->is_role, binding->name, now);
	}
}
