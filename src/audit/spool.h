/*-------------------------------------------------------------------------
 *
 * spool.h
 *		The audit spool of this node: pre-written segment files, appended to by
 *		every backend, read by the workers.
 *
 * A position counts bytes from the first segment's first byte:
 * segment * LG_SEGMENT_BYTES + offset.  Every number is in host byte order: a
 * spool does not leave its machine.  docs/formats.md describes the bytes.
 *
 * Locks: LG_LOCK_SPOOL for appending; LG_LOCK_SPOOL_SYNC for fdatasync, never
 * the two at once.  Positions are read without a lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_SPOOL_H
#define LG_SPOOL_H

#include "listguard.h"
#include "audit/audit.h"

#define LG_SEGMENT_BYTES		(16 * 1024 * 1024)
#define LG_SEGMENT_HEADER		64	/* first record's offset */
#define LG_RECORD_MAGIC			0x4752474cU	/* "LGRG" */
#define LG_RECORD_MAX			(1024 * 1024)	/* bytes, header included */

typedef uint64 LgSpoolPos;

#define LG_POS_SEGMENT(pos)		((pos) / LG_SEGMENT_BYTES)
#define LG_POS_OFFSET(pos)		((pos) % LG_SEGMENT_BYTES)
#define LG_POS_MAKE(seg, off)	((LgSpoolPos) (seg) * LG_SEGMENT_BYTES + (off))

typedef enum LgRecordKind
{
	LG_REC_FILL = 1,			/* nothing more in this segment; has no seq of its own */
	LG_REC_EVENT,				/* a whole event */
	LG_REC_BEGIN,				/* an event whose end follows */
	LG_REC_END					/* the end of one begun */
} LgRecordKind;				/* on disk: never renumber */

/*
 * Before every record; records start on multiples of 8.  The CRC-32C is that
 * of the payload followed by the header's fields after crc.
 */
typedef struct LgSpoolRecord
{
	uint32		magic;			/* LG_RECORD_MAGIC */
	uint32		length;			/* header and payload, without padding */
	uint32		crc;
	uint16		kind;			/* LgRecordKind */
	uint8		sync;			/* LgSync it was written with */
	uint8		flags;			/* 0 */
	uint64		seq;			/* of this node, without gaps, from 1 */
	int64		at;				/* TimestampTz */
	uint64		boot;			/* random number of the server's start */
	int64		session_start;	/* MyStartTime, seconds */
	int32		session_pid;
	Oid			dboid;			/* InvalidOid: of no database */
} LgSpoolRecord;

/* A record being read; payload lies in the reader's memory until the next call. */
typedef struct LgSpoolItem
{
	LgSpoolRecord head;
	const uint8 *payload;
	uint32		payload_len;
	LgSpoolPos	pos;			/* of the record */
	LgSpoolPos	next;			/* where to go on after it */
	bool		damaged;		/* unreadable bytes were passed over to reach it */
} LgSpoolItem;

typedef struct LgSpoolReader LgSpoolReader;

/*
 * Append one record; returns its seq.
 * LG005 if it cannot be written.  With LG_SYNCED it is on stable storage when
 * the call returns.  dboid is MyDatabaseId but for the launcher.
 */
extern uint64 lg_spool_append(const void *payload, uint32 len, Oid dboid,
							  LgRecordKind kind, LgSync sync, int64 at);
/* As above, but returns 0 and sets errno instead of raising; any state, any memory context. */
extern uint64 lg_spool_try_append(const void *payload, uint32 len, Oid dboid,
								  LgRecordKind kind, LgSync sync, int64 at, bool reserved);
/* Set aside room for a record of len bytes of payload to come (LG005), and give it back. */
extern void lg_spool_reserve(uint32 len);
extern void lg_spool_unreserve(uint32 len);

/* Room for a further record of moderate size, and no fault so far? */
extern bool lg_spool_usable(void);
extern LgSpoolPos lg_spool_write_position(void);	/* all records before it are whole */
extern LgSpoolPos lg_spool_oldest_position(void);	/* first byte still kept */
extern uint64 lg_spool_boot(void);

/* fdatasync all up to pos; false (spool marked as failed) if that fails. */
extern bool lg_spool_sync(LgSpoolPos pos);

/*
 * Read from a position (0 and positions that are gone: from the oldest kept).
 * In the current memory context, with which its file is closed as well.
 * next: false at the write position.  Raises on I/O errors only.
 */
extern LgSpoolReader *lg_spool_open(LgSpoolPos pos);
extern bool lg_spool_next(LgSpoolReader *reader, LgSpoolItem *item);
extern void lg_spool_close(LgSpoolReader *reader);

/*
 * Housekeeping, by the launcher every few seconds: makes spare segments; and,
 * given the least position that every database has drained up to, removes what
 * lies before it and is older than spool_keep (or at once where the spool is
 * more than half of spool_max).  Never raises.
 */
extern void lg_spool_maintain(void);
extern void lg_spool_recycle(LgSpoolPos drained);

/* Directory of this node's spool; that of all nodes (lock, node, burnt) is its parent. */
extern const char *lg_spool_path(void);

#endif							/* LG_SPOOL_H */
