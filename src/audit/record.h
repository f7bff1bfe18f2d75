/*-------------------------------------------------------------------------
 *
 * record.h
 *		From an event to the payload of a spool record, and from that to a row
 *		of listguard.audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_RECORD_H
#define LG_RECORD_H

#include "lib/stringinfo.h"

#include "audit/audit.h"
#include "audit/spool.h"

/* Who did it: taken in the backend when the event is made. */
typedef struct LgIdentity
{
	const char *login_role;
	const char *effective_role;
	const char *actor;			/* NULL: none asserted in this transaction */
	const char *application_name;
	const char *client_addr;	/* NULL: Unix socket or no client */
	int32		pid;
	int64		session_start;	/* seconds */
	uint64		xid;			/* full; 0: none assigned */
} LgIdentity;

/* One row of listguard.audit; strings and arrays in the caller's memory. */
typedef struct LgAuditRow
{
	pg_uuid_t	id;
	TimestampTz at;
	bool		has_seq;		/* node, seq: false for changes */
	uint64		seq;
	LgEventKind kind;
	LgOutcome	outcome;
	int			n_lists;
	int32		lists[LG_EVENT_LISTS_MAX];
	int64		rows;			/* -1: null */
	int64		reveals;		/* -1: null */
	int64		query_id;		/* 0: null */
	int			sqlstate;		/* 0: null */
	bool		has_ticket;
	uint8		ticket[16];
	char	   *relation;		/* NULL: null, as all below */
	char	   *statement;
	char	   *detail;
	LgIdentity	who;
} LgAuditRow;

/* The end of a read that was begun. */
typedef struct LgAuditEnd
{
	pg_uuid_t	id;				/* of the event */
	LgOutcome	outcome;
	int64		rows;
	int64		reveals;
	uint64		seq;			/* of the end's own record; 0: there is none */
} LgAuditEnd;

#define LG_END_BYTES	40		/* payload of LG_REC_END */

/* Text of numbers on disk; NULL for unknown ones. */
extern const char *lg_event_kind_name(LgEventKind kind);
extern const char *lg_outcome_name(LgOutcome outcome);

extern void lg_identity_take(LgIdentity *who);
/* Fills a row from an event and an identity; strings point into ev and who, but the shape, which is palloc'd. */
extern void lg_row_from_event(LgAuditRow *row, const LgEvent *ev, const LgIdentity *who,
							  const pg_uuid_t *id, TimestampTz at);
extern void lg_record_encode(StringInfo out, const LgAuditRow *row);	/* LG_REC_EVENT, LG_REC_BEGIN */
extern void lg_record_encode_end(uint8 out[LG_END_BYTES], const LgAuditEnd *end);
/* False if the payload is not well-formed; strings are palloc'd copies. */
extern bool lg_record_decode(LgAuditRow *row, const LgSpoolItem *item);
extern bool lg_record_decode_end(LgAuditEnd *end, const LgSpoolItem *item);

/*
 * For the drain.  All need a transaction, a snapshot and SPI_connect(), and
 * act with the rights of listguard.audit's owner, past the guards.
 */

/* Inserts a row into listguard.audit (makes its partition in a worker). */
extern void lg_audit_insert(const LgAuditRow *row);
/*
 * One record of this database: a whole event is inserted; a begin goes to
 * listguard.open_read, its end takes it from there into listguard.audit.  A
 * malformed one becomes an alarm event.
 */
extern void lg_audit_apply(const LgSpoolItem *item);
/* A gap in the numbers, or damage: an alarm event (kind alarm, detail what/from/to). */
extern void lg_audit_alarm(const char *what, uint64 from_seq, uint64 to_seq);
/* Begun reads whose session is gone: into listguard.audit as 'unknown'.  Returns how many. */
extern int	lg_audit_reap(void);
/* This node's progress in this database, row locked; a new row starts at the oldest position. */
extern void lg_progress_lock(LgSpoolPos *pos, uint64 *last_seq);
extern void lg_progress_set(LgSpoolPos pos, uint64 last_seq);

#endif							/* LG_RECORD_H */
