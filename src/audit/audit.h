/*-------------------------------------------------------------------------
 *
 * audit.h
 *		Events: what one is, and the ways to put one on record.
 *
 * Reads, refusals, tickets, keys, grants, settings and DDL go to the spool,
 * outside the transaction (spool.c); the worker drains them (drain.c).
 * Changes of rows are inserted by the trigger in the same transaction
 * (change.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_AUDIT_H
#define LG_AUDIT_H

#include "listguard.h"
#include "datatype/timestamp.h"
#include "utils/uuid.h"

typedef enum LgEventKind
{
	LG_EV_READ = 1, LG_EV_INSERT, LG_EV_UPDATE, LG_EV_DELETE, LG_EV_TRUNCATE,
	LG_EV_TICKET, LG_EV_EXPORT, LG_EV_APPROVER, LG_EV_KEY, LG_EV_GRANT,
	LG_EV_LIMIT, LG_EV_SETTING, LG_EV_DDL, LG_EV_SESSION, LG_EV_SEAL, LG_EV_ALARM
} LgEventKind;				/* numbers are on disk: never renumber */

typedef enum LgOutcome
{
	LG_OUT_OK = 1, LG_OUT_REFUSED, LG_OUT_ABORTED, LG_OUT_UNKNOWN, LG_OUT_ALERT
} LgOutcome;				/* on disk too */

typedef enum LgSync
{
	LG_WRITTEN,					/* survives any killed process */
	LG_SYNCED					/* on stable storage before the call returns */
} LgSync;

#define LG_EVENT_LISTS_MAX	64

typedef struct LgEvent
{
	LgEventKind kind;
	LgOutcome	outcome;
	const char *relation;		/* quoted schema.table, or NULL */
	int			n_lists;		/* of lists[]; more than the array holds: -1 and detail says so */
	int32		lists[LG_EVENT_LISTS_MAX];
	int64		rows;			/* -1: null */
	int64		reveals;		/* -1: null */
	const uint8_t *ticket;		/* jti, 16 bytes, or NULL */
	const char *statement;		/* source text, or NULL; shape is made here: constants and comments removed */
	int64		query_id;
	int			sqlstate;		/* MAKE_SQLSTATE packed, 0: null */
	const char *detail;			/* JSON object text, or NULL; never an address */
} LgEvent;

extern void lg_event_init(LgEvent *ev, LgEventKind kind, LgOutcome outcome);

/*
 * Put one event on record outside the transaction.  Identity columns (roles,
 * actor, application, address, pid, session, xid, time) are taken here.
 * *id (may be NULL) receives the event's id.  LG005 if it cannot be written.
 */
extern void lg_audit_event(const LgEvent *ev, LgSync sync, pg_uuid_t *id);

/* For refusals: as above, but a failing spool is reported at LOG and swallowed (the read is refused anyway). */
extern void lg_audit_refusal(const LgEvent *ev, pg_uuid_t *id);

/*
 * A read whose rows leave before it is over (tickets, cursors): begin reserves
 * the space of its end.  The end never throws and never needs memory; a
 * backend that dies leaves the begin, which the worker turns into 'unknown'.
 */
typedef struct LgOpenRead LgOpenRead;
extern LgOpenRead *lg_audit_begin(const LgEvent *ev, LgSync sync, pg_uuid_t *id);	/* LG005; in TopMemoryContext */
extern void lg_audit_end(LgOpenRead *open, LgOutcome outcome, int64 rows, int64 reveals);

/* Can events be written now?  False: protected reads must raise LG005. */
extern bool lg_audit_ready(void);

/*
 * Node of this data directory: 16 bytes; made at first start, made anew when
 * the directory turns out to be a copy.
 */
extern const uint8 *lg_node_id(void);
/* Was this node ever started as a standby? */
extern bool lg_node_standby(void);

extern void lg_audit_init_backend(void);	/* lazily, once per backend */

#endif							/* LG_AUDIT_H */
