/*-------------------------------------------------------------------------
 *
 * job.c
 *		The lock of an operation in many transactions (listguard.job): one of a
 *		kind at a time on one relation.
 *
 * Held by the session, on the object (listguard.job, relation): transactions
 * come and go under it, a killed session gives it back, and so does a
 * transaction that fails: the operation is over then.  Advisory locks would do
 * the same, but anybody can take those.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#include "policy/registry.h"

#define MAX_HELD	8			/* by one session */

PG_FUNCTION_INFO_V1(listguard_job_lock);
PG_FUNCTION_INFO_V1(listguard_job_unlock);

static LOCKTAG held[MAX_HELD];
static int	n_held = 0;

static void
job_tag(LOCKTAG *tag, Oid relid, text *what)
{
	char	   *name = text_to_cstring(what);
	uint16		kind = strcmp(name, "reseal") == 0 ? 1 : strcmp(name, "protect_online") == 0 ? 2 : 0;

	if (kind == 0)
		elog(ERROR, "unknown job");
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, lg_relation_oid("job"), relid, kind);
}

static void
give_back(XactEvent event, void *arg)
{
	(void) arg;
	if (event != XACT_EVENT_ABORT)
		return;
	while (n_held > 0)
		(void) LockRelease(&held[--n_held], ExclusiveLock, true);
}

/* Note that the session holds it; false, and it is free again, if there are too many. */
static bool
note_held(const LOCKTAG *tag)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(give_back, NULL);
	registered = true;
	if (n_held == MAX_HELD)
	{
		(void) LockRelease(tag, ExclusiveLock, true);
		return false;
	}
	held[n_held++] = *tag;
	return true;
}

/*
 * listguard_job_lock
 *		_job_lock(relation, what): true if this session has the lock now and had
 *		not before.
 */
Datum
listguard_job_lock(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;
	LockAcquireResult result;

	lg_require_preload();
	job_tag(&tag, PG_GETARG_OID(0), PG_GETARG_TEXT_PP(1));
	result = LockAcquire(&tag, ExclusiveLock, true, true);
	if (result == LOCKACQUIRE_ALREADY_HELD)
		(void) LockRelease(&tag, ExclusiveLock, true);
	PG_RETURN_BOOL(result == LOCKACQUIRE_OK && note_held(&tag));
}

/*
 * listguard_job_unlock
 *		_job_unlock(relation, what): gives it back, if this session has it.
 */
Datum
listguard_job_unlock(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	job_tag(&tag, PG_GETARG_OID(0), PG_GETARG_TEXT_PP(1));
	for (int i = 0; i < n_held; i++)
	{
		if (memcmp(&held[i], &tag, sizeof(LOCKTAG)) != 0)
			continue;
		held[i] = held[--n_held];
		(void) LockRelease(&tag, ExclusiveLock, true);
		break;
	}
	PG_RETURN_VOID();
}
