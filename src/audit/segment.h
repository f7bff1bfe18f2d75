/*-------------------------------------------------------------------------
 *
 * segment.h
 *		Files of the spool; internal to src/audit.
 *
 * Nothing here takes a lock or, but for the functions of the start, raises an
 * error: results are false with errno set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_SEGMENT_H
#define LG_SEGMENT_H

#include "port/pg_crc32c.h"

#include "audit/spool.h"

#define LG_SEGMENT_MAGIC	"LGSPOOL1"

/* The first bytes of a segment. */
typedef struct LgSegmentHeader
{
	char		magic[8];
	uint8		node[16];
	uint64		number;
	uint8		unused[LG_SEGMENT_HEADER - 32];
} LgSegmentHeader;

/* What the scan at the start found. */
typedef struct LgSpoolFound
{
	uint64		oldest;			/* number of the oldest segment */
	uint64		newest;			/* number of the newest one that exists */
	LgSpoolPos	write_pos;
	uint64		last_seq;
	bool		standby;		/* this node was ever started as a standby */
} LgSpoolFound;

/* Set by lg_segment_start in the postmaster, inherited by every backend. */
extern char lg_spool_root[MAXPGPATH];	/* lock, node, burnt */
extern char lg_spool_dir[MAXPGPATH];	/* this node's segments */

extern bool lg_segment_valid_record(const uint8 *at, size_t room, LgSpoolRecord *head);
extern pg_crc32c lg_segment_crc(const LgSpoolRecord *head, pg_crc32c payload_crc);
extern void lg_segment_name(char *path, uint64 number);
extern int	lg_segment_open(uint64 number, int flags);
extern bool lg_segment_make(const uint8 node[16], uint64 number);	/* pre-written, synced; in place at the end */
extern bool lg_segment_remove(uint64 number);
extern bool lg_segment_age(uint64 number, int64 *seconds);

/* In the postmaster: directory, lock file (FATAL F0001), node, segments. */
extern void lg_segment_start(uint8 node[16], LgSpoolFound *found);

#endif							/* LG_SEGMENT_H */
