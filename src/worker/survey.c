/*-------------------------------------------------------------------------
 *
 * survey.c
 *		The launcher's view of the spool: which databases have records that are
 *		not drained yet, and which segments nobody needs any more.
 *
 * The launcher reads every record once, in its own time, and remembers where
 * each database's last one ends.  A segment goes only when each database that
 * has records in it has drained them, as its worker said after its commit; so
 * a session that was killed between writing a record and waking us loses
 * nothing, and after a start all is looked through again.
 *
 * Locking: see workdb.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "shmem.h"
#include "worker/workdb.h"

#define SURVEY_BYTES	(4 * LG_SEGMENT_BYTES)	/* at one time */
#define ABSENT_ENOUGH	3		/* workers that found no listguard: its records wait for nobody */

typedef struct Seen
{
	Oid			dboid;
	LgSpoolPos	last;			/* end of its last record */
} Seen;

static Seen seen[LG_WORK_DATABASES];
static int	n_seen = 0;
static bool overflow = false;	/* more databases than we can remember: keep everything */
static LgSpoolPos surveyed = 0;	/* all before it has been looked through */

static void
note(Oid dboid, LgSpoolPos end)
{
	int			i = 0;

	while (i < n_seen && seen[i].dboid != dboid)
		i++;
	if (i == LG_WORK_DATABASES)
	{
		overflow = true;
		return;
	}
	if (i == n_seen)
		seen[n_seen++].dboid = dboid;
	seen[i].last = end;
}

static bool
read_on(void)
{
	LgSpoolPos	start = Max(surveyed, lg_spool_oldest_position());
	LgSpoolReader *reader = lg_spool_open(start);
	LgSpoolItem item;
	bool		more = false;

	PG_TRY();
	{
		while (!more && lg_spool_next(reader, &item))
		{
			if (OidIsValid(item.head.dboid) && item.head.kind != LG_REC_FILL)
				note(item.head.dboid, item.next);
			surveyed = item.next;
			more = surveyed - start > SURVEY_BYTES;
		}
	}
	PG_FINALLY();
	{
		lg_spool_close(reader);
	}
	PG_END_TRY();
	return more;
}

/*
 * settle_with
 *		Have what is not drained yet drained; up to where the database is done.
 */
static LgSpoolPos
settle_with(const Seen *s)
{
	LgWorkDb   *db;
	LgSpoolPos	done = 0;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	db = lg_workdb_find(s->dboid, true);
	if (db != NULL)
	{
		done = db->drained;
		if (done >= s->last || db->gone || db->absent >= ABSENT_ENOUGH)
			done = surveyed;
		if (db->drained < s->last && !db->gone)
			pg_atomic_write_u32(&db->wanted, 1);
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return done;
}

/*
 * lg_survey_spool
 *		Look through what is new, a bounded part at a time; true if there is more.
 */
bool
lg_survey_spool(void)
{
	return lg_spool_write_position() > surveyed && read_on();
}

/*
 * lg_survey_recycle
 *		Wake the workers that are behind; recycle what all are done with.
 */
void
lg_survey_recycle(void)
{
	LgSpoolPos	least = surveyed;

	for (int i = 0; i < n_seen; i++)
	{
		LgSpoolPos	done = settle_with(&seen[i]);

		least = Min(least, done);
	}
	if (!overflow && least > 0)
		lg_spool_recycle(least);
}
