/*-------------------------------------------------------------------------
 *
 * meter.h
 *		Sliding windows in shared memory: how many rows a session, role or
 *		actor has read lately.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_METER_H
#define LG_METER_H

#include "listguard.h"
#include "datatype/timestamp.h"
#include "policy/registry.h"

#define LG_WINDOW_REFS_MAX	48

typedef struct LgWindowKey
{
	Oid			dboid;
	Oid			relid;			/* InvalidOid: all protected relations together */
	uint32		scope;			/* LgScope */
	uint32		id;				/* role's oid; session: process id */
	uint64		extra;			/* hash of the actor; session: its start */
} LgWindowKey;

/* One window that a charge goes to, and what may be charged to it. */
typedef struct LgWindowRef
{
	LgWindowKey key;
	int64		max_rows;
	int64		window_usec;
	int64		rows;			/* to be charged by lg_meter_charge */
} LgWindowRef;

/*
 * Windows that reads of relid by the session user and the current user are
 * charged to; appended to refs, *n of at most LG_WINDOW_REFS_MAX.  Windows
 * already there are left alone.  False: an actor limit is set and the
 * transaction names no actor.
 */
extern bool lg_meter_windows(Oid relid, LgWindowRef *refs, int *n);
/* Rows left in the window now; below 0 where it is overdrawn. */
extern int64 lg_meter_left(const LgWindowRef *ref);
/*
 * Charge refs[i].rows to each, under one lock.  Returns the index of the first
 * window that this overdraws, or -1; the charge stands either way (it is never
 * given back).  Needs no memory and looks at no catalog: fit for abort.
 */
extern int	lg_meter_charge(const LgWindowRef *refs, int n);
/* When the window's oldest charge leaves it. */
extern TimestampTz lg_meter_relief(const LgWindowRef *ref);

#endif							/* LG_METER_H */
