/*-------------------------------------------------------------------------
 *
 * exec.h
 *		What the parts of the executor guard share: the statement, its
 *		executors, and the points of a plan at which rows are counted.
 *
 * An LgExec lives in its executor's es_query_cxt and is unlinked by that
 * context's reset callback; the statement is a static of the backend, needs no
 * memory, and can be settled while a transaction aborts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_EXEC_H
#define LG_EXEC_H

#include "listguard.h"
#include "audit/audit.h"
#include "executor/execdesc.h"
#include "nodes/execnodes.h"
#include "row/meter.h"
#include "row/road.h"
#include "common/verdict.h"
#include "ticket/ticket.h"

#define LG_STATEMENT_RELATIONS	32
#define LG_RELATION_NAME_MAX	300		/* two quoted names and a dot fit */

/* What was read of one protected relation; relid 0: sealed values outside any. */
typedef struct LgRead
{
	Oid			relid;
	char		name[LG_RELATION_NAME_MAX];
	int64		rows;
	int64		reveals;
	int			n_lists;		/* -1: not known, or too many */
	int32		lists[LG_EVENT_LISTS_MAX];
	bool		alert_only;
	bool		bulk;			/* its event is synced */
} LgRead;

/* The top-level statement of the client that runs now. */
typedef struct LgStatement
{
	int64		charge;			/* not under a ticket */
	int64		reveals;
	int64		cap;			/* of charge and reveals: smallest threshold, tightest window */
	int64		threshold;
	int64		window_left;	/* tightest window, plus what this statement has settled */
	int64		settled;
	int64		extra;			/* oracles: charged to the windows, not held against the threshold */
	bool		enforced;		/* some relation read is not in mode "alert" */
	bool		alerted;		/* went over in mode "alert" */
	bool		poisoned;		/* was refused; a caught refusal is raised again */
	int			n_refs;
	LgWindowRef refs[LG_WINDOW_REFS_MAX];
	int			n_reads;
	LgRead		reads[LG_STATEMENT_RELATIONS];
} LgStatement;

typedef struct LgMeterPoint LgMeterPoint;
typedef struct LgExec LgExec;
typedef struct LgShape LgShape;

/* A place in the plan where rows of one relation come in. */
typedef struct LgLeaf
{
	LgExec	   *exec;
	LgRead	   *read;
	LgMeterPoint *meter;		/* NULL: counted here */
	int64		own;			/* per scan start, the larger of 1 and its rows */
	int64		probes;			/* scan starts */
	int64		charge;			/* what of it was added to the statement */
	bool		at_start;
	bool		first;			/* no row yet since the start */
	bool		free;			/* rows stay in their own row: probes only */
	bool		examined;		/* an untrusted qual: the tick counts, not the node */
	AttrNumber	list_attno;		/* 0: none, or not in the slot */
	bool		list_unknown;
	FmgrInfo	list_out;
	bool		list_byval;
	int16		list_len;
	Datum		last;
	bool		have_last;
} LgLeaf;

/* The highest node reached from its leaves through row-passing nodes only. */
struct LgMeterPoint
{
	int64		rows;
	int			weight;
	int			n_leaves;
	int			max_leaves;
	LgLeaf	  **leaves;
};

typedef struct LgTap
{
	PlanState  *ps;
	ExecProcNodeMtd original;
	LgLeaf	   *leaf;
	LgMeterPoint *meter;
	int64	   *count;			/* rows, plainly */
} LgTap;

struct LgExec
{
	LgExec	   *next;			/* of the live ones */
	QueryDesc  *desc;
	MemoryContext context;
	MemoryContextCallback callback;
	int64		charge;			/* over all Runs */
	int64		cap;
	int64		threshold;
	LgTicket   *ticket;			/* covers all it reads, or NULL */
	int64		ticket_left;	/* when it started */
	int64		taken;			/* charge already taken from the ticket */
	bool		unlimited;		/* in this Run */
	bool		alert_only;
	bool		sealed_only;	/* no protected relation, but sealed values in the result */
	LgShape    *shape;			/* values that no protected relation pays for, or NULL */
	bool		complete;		/* has run to its end */
	List	   *rechecks;		/* ModifyTable and LockRows nodes, until their EPQ trees are tapped */
	int64		offered;		/* rows offered to INSERT ... ON CONFLICT DO NOTHING */
	bool		writes_trusted; /* UPDATE, DELETE: every expression of the plan is */
	List	   *trigger_relids; /* result relations with row triggers of users */
	bool		merged;			/* its reads are the statement's by now */
	int			n_reads;
	LgRead	   *reads;			/* with shape, the last is of no relation */
	LgOpenRead **open;			/* per read, once rows leave before the end */
	List	   *taps;
};

extern LgStatement lg_statement;

/* exec_guard.c */
extern bool lg_ticket_used(void);	/* in this transaction */
extern LgExec *lg_exec_current(void);	/* innermost running one, or NULL */
extern int	lg_exec_level(void);	/* executors running, or planning */
extern void lg_statement_end(bool ok);	/* the client's statement is over */

/* exec_walk.c: put taps into a started plan */
extern void lg_exec_tap_plan(LgExec *x);
extern void lg_exec_tap_rechecks(LgExec *x);	/* first thing in Run */
extern void lg_exec_untap(LgExec *x);

/* exec_charge.c: counting, settling, refusing */
extern void lg_exec_add(LgExec *x, LgRead *read, int64 n);
extern void lg_leaf_update(LgLeaf *leaf);
extern void lg_statement_add(LgRead *read, int64 n);
extern void lg_exec_take(LgExec *x);
extern void lg_statement_add_windows(Oid relid, int64 threshold, bool alert_only);
extern void lg_statement_reveal(int32 list_no);
extern void lg_statement_settle(bool check);
extern void lg_statement_check_poison(void);
extern void lg_statement_reset(void);
extern void lg_read_note_list(LgRead *read, int32 list_no);
extern LgRead *lg_statement_read(Oid relid);
pg_noreturn extern void lg_refuse(int code, LgRead *read, int64 rows);

/* exec_report.c: events */
extern void lg_exec_merge(LgExec *x);
extern void lg_exec_open(LgExec *x, LgSync sync);
extern void lg_exec_close(LgExec *x);
extern void lg_statement_report(LgOutcome outcome);
extern void lg_read_event(LgEvent *ev, const LgRead *read, LgOutcome outcome, const LgExec *x);

/* exec_trust.c */
extern bool lg_trusted_function(Oid funcid);
extern bool lg_trusted_expr(Node *node);	/* Expr, or List of them */
extern bool lg_trusted_plan(Plan *plan);
extern int	lg_aggregate_weight(List *tlist, List *qual);	/* -1: some aggregate is not of bounded width */
extern bool lg_has_user_triggers(Oid relid);

/* exec_shape.c */
extern LgShape *lg_result_shape(QueryDesc *desc, bool protected);
extern void lg_exec_count_result(LgExec *x, TupleTableSlot *slot);
extern void lg_statement_count_row(TupleTableSlot *slot);

/* dest_buffer.c */
extern bool lg_dest_is_client(DestReceiver *dest);
extern DestReceiver *lg_dest_wrap(DestReceiver *inner, LgExec *x, bool stream);
extern DestReceiver *lg_dest_counting(DestReceiver *inner, LgExec *x);
extern void lg_dest_flush(DestReceiver *wrapped);

/* road.c */
extern LgRoad lg_road_save(void);
extern LgRoad lg_road_enter(DestReceiver *dest);
extern void lg_road_leave(LgRoad old);

/* util_guard.c */
extern int	lg_utility_level(void);
extern bool lg_utility_is_fetch(void);
extern bool lg_utility_is_hold(void);

#endif							/* LG_EXEC_H */
