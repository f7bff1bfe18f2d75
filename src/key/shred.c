/*-------------------------------------------------------------------------
 *
 * shred.c
 *		Destroy the keys of a list: in the tables, in what is left there of
 *		older versions, and in the memory of every process.
 *
 * The worker does the tables in transactions of its own, so that no ROLLBACK
 * brings a key back: the rows lose their wrapped key and that is committed;
 * then dead versions are overwritten where they lie, with WAL, so that neither
 * the file nor a standby's keeps them; then the epoch is raised and an
 * invalidation sent.  The order matters: who looks at the epoch's new value
 * finds no key in the table any more.
 *
 * Every process that looks keys up has a slot here from before its first
 * look-up.  It compares the epoch at each look-up and whenever the registry's
 * invalidations arrive, empties its arena, and notes in its slot which epoch
 * it has acted upon.  The session that asked for it wakes those that have not
 * (an idle one is made to read its invalidations) and waits; who is busy for
 * too long is terminated.
 *
 * Locking: slots are written by their owners only; the epoch by workers.
 * Words are atomic and fenced: a slot is entered before keys are read, the
 * slots are read after the keys are gone.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "errcodes.h"
#include "key/arena.h"
#include "key/keyring.h"
#include "key/keyrow.h"
#include "key/shred.h"
#include "policy/policy.h"
#include "shmem.h"
#include "worker/worker.h"

#define WORKER_MS		15000	/* for the tables */
#define WILLING_MS		5000	/* for a process to empty its arena */
#define TERMINATED_MS	60000	/* for one that is terminated to end */
#define POLL_MS			20
#define POKE_MS			1000

typedef struct ShredSlot
{
	pg_atomic_uint32 pid;		/* 0: nobody */
	Oid			dboid;
	pg_atomic_uint64 seen;
} ShredSlot;

typedef struct ShredShared
{
	pg_atomic_uint64 epoch;
	int			n_slots;
	ShredSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} ShredShared;

pg_atomic_uint64 *lg_shred_epoch = NULL;
uint64		lg_shred_seen = 0;

static ShredShared *shared = NULL;
static ShredSlot *mine = NULL;

Size
lg_shred_shmem_size(void)
{
	return offsetof(ShredShared, slots) + (Size) MaxBackends * sizeof(ShredSlot);
}

void
lg_shred_shmem_init(void)
{
	bool		found;

	shared = ShmemInitStruct("listguard destroyed keys", lg_shred_shmem_size(), &found);
	lg_shred_epoch = &shared->epoch;
	if (found)
		return;
	pg_atomic_init_u64(&shared->epoch, 0);
	shared->n_slots = MaxBackends;
	for (int i = 0; i < shared->n_slots; i++)
	{
		pg_atomic_init_u32(&shared->slots[i].pid, 0);
		pg_atomic_init_u64(&shared->slots[i].seen, 0);
	}
}

/* ---- in every process ---- */

/* Registered before the arena's own callback, so called after the arena is wiped. */
static void
leave(int code, Datum arg)
{
	(void) code;
	(void) arg;
	pg_atomic_write_u32(&mine->pid, 0);
}

void
lg_shred_register(void)
{
	if (mine != NULL || shared == NULL || !IsUnderPostmaster)
		return;
	if (MyProc == NULL || LG_MY_PROC_INDEX() >= shared->n_slots)
		elog(ERROR, "this process may hold no keys");
	mine = &shared->slots[LG_MY_PROC_INDEX()];
	lg_shred_seen = pg_atomic_read_u64(&shared->epoch);
	mine->dboid = MyDatabaseId;
	pg_atomic_write_u64(&mine->seen, lg_shred_seen);
	pg_write_barrier();
	pg_atomic_write_u32(&mine->pid, (uint32) MyProcPid);
	before_shmem_exit(leave, (Datum) 0);
	pg_memory_barrier();
}

void
lg_shred_catch_up(void)
{
	uint64		epoch = pg_atomic_read_u64(&shared->epoch);

	lg_arena_drop_lists();
	lg_registry_generation++;
	lg_shred_seen = epoch;
	pg_memory_barrier();
	if (mine != NULL)
		pg_atomic_write_u64(&mine->seen, epoch);
}

/* ---- in the worker ---- */

/*
 * lg_shred_in_worker
 *		Take the wrapped keys of a list out of their rows.
 */
void
lg_shred_in_worker(int32 list_no)
{
	Oid			types[] = {INT4OID};
	Datum		values[1];

	values[0] = Int32GetDatum(list_no);
	if (lg_registry_execute("SELECT FROM listguard.list WHERE list_no = $1 FOR UPDATE", 1, types, values) != 1)
		elog(ERROR, "list %d is not in this database", list_no);
	(void) lg_registry_execute("UPDATE listguard.key SET wrapped = NULL, retired = coalesce(retired, now())"
							   " WHERE list_no = $1 AND wrapped IS NOT NULL", 1, types, values);
}

typedef struct Destroyed
{
	int32		list_no;
	List	   *ids;			/* of keys of the list that are destroyed, as int */
} Destroyed;

static void
note_destroyed(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Destroyed  *destroyed = arg;

	if (lg_registry_int(tuple, Anum_lg_key_list_no, desc, 0) == destroyed->list_no &&
		heap_attisnull(tuple, Anum_lg_key_wrapped, desc))
		destroyed->ids = lappend_int(destroyed->ids, (int) lg_registry_int(tuple, Anum_lg_key_key_id, desc, 0));
}

/* The wrapped form that a version of a row still has of a key that is destroyed, else NULL. */
static struct varlena *
remains_of(HeapTuple tuple, TupleDesc desc, const Destroyed *destroyed)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_lg_key_wrapped, desc, &isnull);
	struct varlena *wrapped = (struct varlena *) DatumGetPointer(value);

	if (isnull || VARATT_IS_EXTERNAL(wrapped) || VARATT_IS_COMPRESSED(wrapped) ||
		!list_member_int(destroyed->ids, (int) lg_registry_int(tuple, Anum_lg_key_key_id, desc, 0)))
		return NULL;
	return wrapped;
}

/* Versions on one page, in a copy of it; true if anything is to be written. */
static bool
overwrite_versions(Relation rel, Page page, const Destroyed *destroyed)
{
	PageHeader	header = (PageHeader) page;
	bool		changed = false;

	for (OffsetNumber i = FirstOffsetNumber; i <= PageGetMaxOffsetNumber(page); i++)
	{
		ItemId		item = PageGetItemId(page, i);
		HeapTupleData tuple;
		struct varlena *wrapped;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(rel);
		ItemPointerSetInvalid(&tuple.t_self);
		wrapped = remains_of(&tuple, RelationGetDescr(rel), destroyed);
		if (wrapped == NULL)
			continue;
		memset(VARDATA_ANY(wrapped), 0, VARSIZE_ANY_EXHDR(wrapped));
		changed = true;
	}
	/* Where pruning has moved tuples away from, their bytes lie on; writing the page clears them. */
	for (int i = header->pd_lower; i < header->pd_upper && !changed; i++)
		changed = ((char *) page)[i] != 0;
	return changed;
}

static void
overwrite_page(Relation rel, BlockNumber block, const Destroyed *destroyed)
{
	Buffer		buffer = ReadBuffer(rel, block);
	GenericXLogState *state;
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(rel);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	if (!PageIsNew(page) && overwrite_versions(rel, page, destroyed))
		(void) GenericXLogFinish(state);
	else
		GenericXLogAbort(state);
	UnlockReleaseBuffer(buffer);
}

/*
 * lg_shred_remains_in_worker
 *		Overwrite what older versions of the rows hold, raise the epoch, and have
 *		everybody look at it.
 *
 * Which keys are destroyed is read first: while a page is locked no row of the
 * table can be read.
 */
void
lg_shred_remains_in_worker(int32 list_no)
{
	Relation	rel = table_open(lg_relation_oid("key"), ShareUpdateExclusiveLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	Destroyed	destroyed = {list_no, NIL};

	lg_registry_scan("key", NULL, 0, NULL, note_destroyed, &destroyed);
	for (BlockNumber block = 0; block < blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		overwrite_page(rel, block, &destroyed);
	}
	FlushRelationBuffers(rel);
	smgrimmedsync(RelationGetSmgr(rel), MAIN_FORKNUM);
	table_close(rel, NoLock);
	pg_atomic_fetch_add_u64(&shared->epoch, 1);
	CacheInvalidateRelcacheByRelid(lg_relation_oid("protected_table"));
}

/* ---- in the session that asks for it ---- */

/* Of a slot: the process that may still hold keys; 0 if none. */
static pid_t
holder_of(ShredSlot *slot, uint64 epoch)
{
	pid_t		pid = (pid_t) pg_atomic_read_u32(&slot->pid);

	pg_read_barrier();
	if (pid == 0 || pid == MyProcPid || slot->dboid != MyDatabaseId || pg_atomic_read_u64(&slot->seen) >= epoch)
		return 0;
	return pid;
}

static void
terminate_holders(uint64 epoch)
{
	for (int i = 0; i < shared->n_slots; i++)
	{
		pid_t		pid = holder_of(&shared->slots[i], epoch);

		if (pid == 0)
			continue;
		(void) kill(pid, SIGTERM);
		ereport(NOTICE,
				(errmsg("process %d has not let go of its keys in time and is terminated", (int) pid)));
	}
}

/* How many still hold keys; with poke, they are made to look. */
static int
count_holders(uint64 epoch, bool poke)
{
	int			n = 0;

	for (int i = 0; i < shared->n_slots; i++)
	{
		pid_t		pid = holder_of(&shared->slots[i], epoch);

		if (pid == 0)
			continue;
		n++;
		if (poke)
			(void) SendProcSignal(pid, PROCSIG_CATCHUP_INTERRUPT, LG_NO_PROC_INDEX);
	}
	return n;
}

/*
 * wait_for_all
 *		Until no process of this database holds a destroyed key.
 *
 * 55000 if one does not even end when it is told to.
 */
static void
wait_for_all(void)
{
	uint64		epoch = pg_atomic_read_u64(&shared->epoch);
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz poked = 0;
	bool		terminated = false;
	int			left;

	pg_memory_barrier();
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		bool		poke = poked == 0 || TimestampDifferenceExceeds(poked, now, POKE_MS);

		left = count_holders(epoch, poke);
		if (left == 0 || TimestampDifferenceExceeds(start, now, TERMINATED_MS))
			break;
		if (poke)
			poked = now;
		if (!terminated && TimestampDifferenceExceeds(start, now, WILLING_MS))
		{
			terminate_holders(epoch);
			terminated = true;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (left > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%d processes still hold keys of the list", left),
				 errdetail("The keys are destroyed in the tables; these processes do not end."),
				 errhint("Call listguard.shred_list() again, or restart the server.")));
}

PG_FUNCTION_INFO_V1(listguard_shred);

/*
 * listguard_shred
 *		_shred(list_no): destroys all keys of a list, everywhere on this server.
 *
 * LG004 if the worker could not do it: then nothing has been destroyed, or
 * another call finishes it.
 */
Datum
listguard_shred(PG_FUNCTION_ARGS)
{
	char	   *number = psprintf("%d", PG_GETARG_INT32(0));

	lg_require_preload();
	lg_shred_register();
	if (!lg_worker_request(LG_WORK_SHRED, InvalidOid, number, WORKER_MS))
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("the keys of list %s could not be destroyed", number),
				 errdetail("The server log says why listguard's worker could not do it."),
				 errhint("A transaction that has made the list, or rotated its key, has to end first.")));
	AcceptInvalidationMessages();
	lg_shred_check();
	wait_for_all();
	PG_RETURN_VOID();
}
