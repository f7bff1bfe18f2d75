/*-------------------------------------------------------------------------
 *
 * unprotect.c
 *		The way back to plain text: who may go it, and the record of it.  The
 *		work itself is in sql/install/24_unprotect.sql.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "audit/audit.h"
#include "policy/home.h"
#include "policy/policy.h"
#include "policy/unprotect.h"

PG_FUNCTION_INFO_V1(listguard_unprotect);
PG_FUNCTION_INFO_V1(listguard_disclosed);
PG_FUNCTION_INFO_V1(listguard_internal_value);

static Oid	unprotecting = InvalidOid;

Oid
lg_unprotecting(void)
{
	return unprotecting;
}

/* Lists of one relation that the user may not reveal. */
typedef struct Search
{
	const char *relation;
	Oid			userid;
	List	   *numbers;		/* of all its lists */
} Search;

static void
note_list(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Search	   *search = arg;
	char	   *relation = lg_registry_text(tuple, 2, desc);

	if (relation != NULL && strcmp(relation, search->relation) == 0)
		search->numbers = lappend_int(search->numbers, (int) lg_registry_int(tuple, 1, desc, 0));
}

/*
 * check_reveal
 *		42501 unless the current user holds "reveal" on every list of the table;
 *		55000 in a copied database.
 */
static void
check_reveal(const LgProtected *prot)
{
	Search		search = {pstrdup(prot->name), GetUserId(), NIL};
	ListCell   *lc;

	lg_home_require();
	lg_registry_scan("list", NULL, 0, NULL, note_list, &search);
	foreach(lc, search.numbers)
		if (!lg_grant_on_list(search.userid, lfirst_int(lc), LG_PRIV_REVEAL))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to turn table %s back into plain text", search.relation),
					 errdetail("That reveals every address: it needs \"reveal\" on each of its lists, granted by name."),
					 errhint("Use listguard.grant_access().")));
}

/*
 * unprotect(relation)
 *		42501 for anybody but an administrator who may reveal all of it; of a
 *		table that protect_online has not finished, only its traces are removed.
 */
Datum
listguard_unprotect(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			types[] = {OIDOID};
	Datum		values[1];
	const LgProtected *prot;

	lg_require_preload();
	if (!lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", "unprotect"),
				 errhint("It needs a member of listguard_admin.")));
	prot = lg_registered_lookup(relid);
	if (prot != NULL && prot->relid == relid && !prot->preparing)
		check_reveal(prot);
	values[0] = ObjectIdGetDatum(relid);
	PG_TRY();
	{
		unprotecting = relid;
		(void) lg_registry_execute("SELECT listguard._unprotect($1)", 1, types, values);
	}
	PG_FINALLY();
	{
		unprotecting = InvalidOid;
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/*
 * _disclosed(relation text, rows, reveals)
 *		What unprotect has opened, as a read of the whole table, synced.
 */
Datum
listguard_disclosed(PG_FUNCTION_ARGS)
{
	LgEvent		ev;

	lg_event_init(&ev, LG_EV_READ, LG_OUT_OK);
	ev.relation = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ev.rows = PG_GETARG_INT64(1);
	ev.reveals = PG_GETARG_INT64(2);
	ev.detail = "{\"unprotect\": true}";
	lg_audit_event(&ev, LG_SYNCED, NULL);
	PG_RETURN_VOID();
}

/*
 * _internal_value(query) -> text
 *		First column of the first row of a query of ours that calls nothing of
 *		the user's; NULL if there is none.
 */
Datum
listguard_internal_value(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			save_user;
	int			save_context;
	char	   *value = NULL;

	lg_require_preload();
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(lg_extension_owner(),
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	lg_internal_enter();
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run a query of listguard's own");
	if (SPI_processed == 1)
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (value != NULL)
		value = MemoryContextStrdup(caller, value);
	SPI_finish();
	lg_internal_leave();
	SetUserIdAndSecContext(save_user, save_context);
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
