/*-------------------------------------------------------------------------
 *
 * listguard.c
 *		Module entry: what is installed, in which order, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "common/value.h"
#include "guc.h"
#include "hooks.h"
#include "listguard.h"
#include "shmem.h"
#include "row/exec.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

bool		lg_preloaded = false;

static int	internal_depth = 0;
static int	owner_depth = 0;	/* internal_depth of an owner's command; 0: none */
static int	owner_level = 0;	/* utility level that called for it */

/*
 * Loaded by a session (LOAD, CREATE EXTENSION, the first call of a function)
 * instead of by the postmaster, the library installs nothing: every function
 * then refuses by lg_require_preload().
 */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (lg_crypto_init() != LG_OK)
		ereport(FATAL,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize libsodium")));
	lg_guc_define();
	lg_shmem_install();
	lg_hooks_install();
	lg_worker_install();
	lg_preloaded = true;
}

void
lg_require_preload(void)
{
	if (!lg_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("listguard is not preloaded"),
				 errhint("Add listguard to shared_preload_libraries and restart the server.")));
}

static void
internal_xact_callback(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		internal_depth = owner_depth = 0;
}



/*
 * A caught error inside internal code must not leave the guards open for the
 * rest of the transaction: any subtransaction abort closes them.  Internal
 * code never catches errors itself.
 */
static void
internal_subxact_callback(SubXactEvent event, SubTransactionId mySubid,
						  SubTransactionId parentSubid, void *arg)
{
	(void) mySubid;
	(void) parentSubid;
	(void) arg;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		internal_depth = owner_depth = 0;
}

/*
 * lg_internal_enter_owner
 *		As lg_internal_enter(), for one utility command that may call code of a
 *		table's owner (index expressions): what that code runs is not internal.
 */
void
lg_internal_enter_owner(void)
{
	lg_internal_enter();
	owner_depth = internal_depth;
	owner_level = lg_utility_level();
}

/*
 * lg_utility_is_internal
 *		Is the utility command that begins listguard's own?
 */
bool
lg_utility_is_internal(void)
{
	return internal_depth > 0 &&
		(internal_depth != owner_depth || lg_utility_level() == owner_level + 1);
}

/*
 * lg_exec_is_internal
 *		The same of an executor: under an owner's command none is.
 */
bool
lg_exec_is_internal(void)
{
	return internal_depth > 0 && internal_depth != owner_depth;
}

bool
lg_is_internal(void)
{
	return internal_depth > 0;
}

void
lg_internal_enter(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(internal_xact_callback, NULL);
		RegisterSubXactCallback(internal_subxact_callback, NULL);
		registered = true;
	}
	internal_depth++;
}

void
lg_internal_leave(void)
{
	/* A subtransaction that the owner's code rolled back has closed it already. */
	if (internal_depth == owner_depth)
		owner_depth = 0;
	if (internal_depth > 0)
		internal_depth--;
}
