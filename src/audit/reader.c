/*-------------------------------------------------------------------------
 *
 * reader.c
 *		Reading the spool, up to the write position, one record at a time.
 *
 * Needs no lock: bytes before the write position do not change, and segments
 * are removed only when every database has passed them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/fd.h"

#include "audit/segment.h"
#include "audit/spool.h"

#define WINDOW_BYTES	(2 * LG_RECORD_MAX)

struct LgSpoolReader
{
	LgSpoolPos	pos;
	LgSpoolPos	limit;			/* write position when last looked */
	File		fd;				/* -1: none */
	uint64		segment;		/* that fd is of */
	uint8	   *window;			/* bytes of the segment */
	uint32		window_at;		/* offset of its first byte */
	uint32		window_len;
	MemoryContextCallback gone;
};

/* The file goes with the memory context, after an error too. */
static void
close_file(void *arg)
{
	LgSpoolReader *reader = arg;

	if (reader->fd >= 0)
		FileClose(reader->fd);
	reader->fd = -1;
}

LgSpoolReader *
lg_spool_open(LgSpoolPos pos)
{
	LgSpoolReader *reader = palloc0(sizeof(LgSpoolReader));

	reader->pos = Max(pos, lg_spool_oldest_position());
	reader->fd = -1;
	reader->window = palloc(WINDOW_BYTES);
	reader->gone.func = close_file;
	reader->gone.arg = reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &reader->gone);
	return reader;
}

void
lg_spool_close(LgSpoolReader *reader)
{
	close_file(reader);
	pfree(reader->window);
	reader->window = NULL;
}

/* False if there is no such segment. */
static bool
use_segment(LgSpoolReader *reader, uint64 number)
{
	char		path[MAXPGPATH];

	if (reader->fd >= 0 && reader->segment == number)
		return true;
	if (reader->fd >= 0)
		FileClose(reader->fd);
	reader->window_len = 0;
	lg_segment_name(path, number);
	reader->fd = PathNameOpenFile(path, O_RDONLY | PG_BINARY);
	if (reader->fd < 0 && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open a segment of the audit spool: %m")));
	reader->segment = number;
	return reader->fd >= 0;
}

/* Offset in the current segment that may be read up to. */
static uint32
segment_limit(LgSpoolReader *reader)
{
	if (LG_POS_SEGMENT(reader->limit) > LG_POS_SEGMENT(reader->pos))
		return LG_SEGMENT_BYTES;
	return LG_POS_OFFSET(reader->limit);
}

/*
 * Bytes from the current position to the window's end, at least a record's
 * worth where the segment has them.
 */
static const uint8 *
look(LgSpoolReader *reader, uint32 *room)
{
	uint32		offset = LG_POS_OFFSET(reader->pos);
	uint32		limit = segment_limit(reader);
	uint32		want = Min(LG_RECORD_MAX, limit - offset);
	int			n;

	if (offset < reader->window_at || offset + want > reader->window_at + reader->window_len)
	{
		reader->window_at = offset;
		reader->window_len = 0;
		n = FileRead(reader->fd, (char *) reader->window, Min(WINDOW_BYTES, limit - offset),
					 offset, 0);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read a segment of the audit spool: %m")));
		reader->window_len = n;
	}
	*room = reader->window_at + reader->window_len - offset;
	return reader->window + (offset - reader->window_at);
}

static void
next_segment(LgSpoolReader *reader)
{
	reader->pos = LG_POS_MAKE(LG_POS_SEGMENT(reader->pos) + 1, LG_SEGMENT_HEADER);
}

/*
 * The position that was reached without a record is kept, so that the caller
 * may store it: lg_spool_next() of a later reader goes on from there.
 */
bool
lg_spool_next(LgSpoolReader *reader, LgSpoolItem *item)
{
	const uint8 *at;
	uint32		room;

	item->damaged = false;
	reader->limit = lg_spool_write_position();
	while (reader->pos < reader->limit)
	{
		if (LG_POS_OFFSET(reader->pos) < LG_SEGMENT_HEADER)
			reader->pos = LG_POS_MAKE(LG_POS_SEGMENT(reader->pos), LG_SEGMENT_HEADER);
		if (!use_segment(reader, LG_POS_SEGMENT(reader->pos)))
		{
			item->damaged = true;
			next_segment(reader);
			continue;
		}
		if (segment_limit(reader) < LG_POS_OFFSET(reader->pos) + sizeof(LgSpoolRecord))
		{
			if (segment_limit(reader) < LG_SEGMENT_BYTES)
				return false;
			next_segment(reader);
			continue;
		}
		at = look(reader, &room);
		if (!lg_segment_valid_record(at, room, &item->head))
		{
			item->damaged = true;
			reader->pos += 8;
			continue;
		}
		if (item->head.kind == LG_REC_FILL)
		{
			next_segment(reader);
			continue;
		}
		item->payload = at + sizeof(LgSpoolRecord);
		item->payload_len = item->head.length - sizeof(LgSpoolRecord);
		item->pos = reader->pos;
		item->next = reader->pos = reader->pos + MAXALIGN64(item->head.length);
		return true;
	}
	return false;
}
