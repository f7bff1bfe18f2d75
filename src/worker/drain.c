/*-------------------------------------------------------------------------
 *
 * drain.c
 *		From the spool into listguard.audit, exactly once.
 *
 * Rows and progress are written in one transaction, under a lock on the row of
 * listguard.drained for this node, and only after the records they come
 * from are on stable storage: a crash at any moment leaves either both or
 * neither, and never a row whose record is lost.  Numbers have no gaps; where
 * one is missing, or bytes cannot be read, an alarm event says so.
 *
 * Locking: workers only; no lock of listguard's is held while tables are used.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "audit/record.h"
#include "audit/spool.h"
#include "shmem.h"
#include "worker/workdb.h"

#define BATCH_ROWS		1000	/* of this database in one transaction */
#define BATCH_BYTES		(8 * 1024 * 1024)	/* of the spool read in one transaction */
#define REAP_MS			5000	/* between two looks for sessions that have gone */
#define REQUEST_MS		60000	/* that listguard._drain() waits */

typedef struct Batch
{
	bool		more;
	LgSpoolPos	pos;			/* drained up to here, once committed */
	uint64		last;			/* number of the last record before pos; 0: none */
} Batch;

static TimestampTz reaped = 0;	/* when we last looked for sessions that have gone */
static bool reads_open = true;	/* until we know better */

/*
 * stop_position
 *		Up to where to read now: what is written, made durable first.
 */
static LgSpoolPos
stop_position(void)
{
	LgSpoolPos	end = lg_spool_write_position();

	if (!lg_spool_sync(end))
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("could not make the audit spool durable"),
				 errdetail("Its records stay in the spool until that works.")));
	return end;
}

/*
 * check_start
 *		A spool that ends before what has been drained is not the one we know.
 */
static void
check_start(Batch *batch, LgSpoolPos end)
{
	if (batch->pos <= end)
		return;
	lg_audit_alarm("spool ends before its drained records", batch->last, batch->last);
	batch->pos = end;
	batch->last = 0;
}

/* A record's number must follow the one before; what is missing is put on record. */
static void
check_item(Batch *batch, const LgSpoolItem *item)
{
	if (item->damaged)
		lg_audit_alarm("unreadable bytes in the spool", batch->last, item->head.seq);
	if (batch->last != 0 && item->head.seq != batch->last + 1)
		lg_audit_alarm("gap in the spool", batch->last + 1, item->head.seq - 1);
}

/* False: this record is for the next batch. */
static bool
take_item(Batch *batch, const LgSpoolItem *item, LgSpoolPos end, int *rows)
{
	if (item->next > end)
		return false;
	if (item->head.kind != LG_REC_FILL)
	{
		check_item(batch, item);
		if (item->head.dboid == MyDatabaseId)
		{
			lg_audit_apply(item);
			(*rows)++;
		}
		batch->last = item->head.seq;
	}
	batch->pos = item->next;
	return true;
}

static void
read_batch(Batch *batch, LgSpoolPos end)
{
	LgSpoolPos	start = batch->pos;
	LgSpoolReader *reader = lg_spool_open(start);
	LgSpoolItem item;
	int			rows = 0;

	PG_TRY();
	{
		while (!batch->more && lg_spool_next(reader, &item) && take_item(batch, &item, end, &rows))
		{
			CHECK_FOR_INTERRUPTS();
			batch->more = rows >= BATCH_ROWS || batch->pos - start >= BATCH_BYTES;
		}
	}
	PG_FINALLY();
	{
		lg_spool_close(reader);
	}
	PG_END_TRY();
}

/* Begun reads whose session has gone become 'unknown'; are there others left? */
static void
reap(void)
{
	(void) lg_audit_reap();
	if (SPI_execute("SELECT FROM listguard.open_read LIMIT 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for open reads");
	reads_open = SPI_processed > 0;
	reaped = GetCurrentTimestamp();
}

static void
drain_body(void *arg)
{
	Batch	   *batch = arg;
	LgSpoolPos	before;
	LgSpoolPos	end;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	lg_progress_lock(&batch->pos, &batch->last);
	before = batch->pos;
	end = stop_position();
	check_start(batch, end);
	read_batch(batch, end);
	if (batch->pos != before)
		lg_progress_set(batch->pos, batch->last);
	if (!batch->more)
		reap();
	SPI_finish();
}

/*
 * lg_drain_batch
 *		Drain one batch in a transaction of its own.
 *
 * LG_DRAIN_IDLE: all that was written when it began is in the table.
 */
LgDrainResult
lg_drain_batch(void)
{
	Batch		batch = {0};

	if (!lg_worker_transaction(drain_body, &batch))
		return LG_DRAIN_FAILED;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	lg_worker_self()->drained = batch.pos;
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return batch.more ? LG_DRAIN_MORE : LG_DRAIN_IDLE;
}

bool
lg_drain_reads_open(void)
{
	return reads_open;
}

bool
lg_drain_reap_due(void)
{
	return reads_open && TimestampDifferenceExceeds(reaped, GetCurrentTimestamp(), REAP_MS);
}

/*
 * lg_drain_partitions
 *		Partitions of listguard.audit for this month and the next two.
 */
void
lg_drain_partitions(void)
{
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute("SELECT listguard._audit_partitions()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not make partitions of listguard.audit");
	SPI_finish();
}

PG_FUNCTION_INFO_V1(listguard_drain);

/*
 * listguard_drain
 *		listguard._drain(): wait until this database's records are in the table.
 */
Datum
listguard_drain(PG_FUNCTION_ARGS)
{
	lg_require_preload();
	if (!lg_worker_request(LG_WORK_DRAIN, InvalidOid, NULL, REQUEST_MS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not drain the audit spool"),
				 errdetail("There is no worker on a standby; else the server log says why.")));
	PG_RETURN_VOID();
}
