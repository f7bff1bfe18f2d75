/*-------------------------------------------------------------------------
 *
 * spool.c
 *		Appending to the audit spool, its fdatasync, and its housekeeping.
 *
 * LG_LOCK_SPOOL gives out the number and the place of a record together, so
 * that numbers follow places without a gap.  The write itself is done under
 * the lock: what lies before the write position is whole.  LG_LOCK_SPOOL_SYNC
 * lets one process sync for all that wait.  Code that holds one of the two
 * raises nothing and allocates nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/shmem.h"

#include "audit/segment.h"
#include "audit/spool.h"
#include "errcodes.h"
#include "guc.h"
#include "shmem.h"

#define SPARE_SEGMENTS	2
#define RECORD_SIZE(payload)	MAXALIGN64(sizeof(LgSpoolRecord) + (payload))
/* Least space that lg_spool_usable() wants to see. */
#define USABLE_BYTES	65536

typedef struct LgSpoolShared
{
	uint8		node[16];
	bool		standby;		/* this node was ever started as a standby */
	uint64		boot;
	pg_atomic_uint64 write_pos; /* changed under LG_LOCK_SPOOL */
	pg_atomic_uint64 synced_pos;	/* changed under LG_LOCK_SPOOL_SYNC */
	pg_atomic_uint64 oldest;	/* segment number */
	pg_atomic_uint64 newest;	/* greatest segment that is ready to be written */
	pg_atomic_uint32 failed;	/* errno of the fault that ended it; 0: none */
	/* under LG_LOCK_SPOOL */
	uint64		last_seq;
	uint64		reserved;		/* bytes for ends to come */
} LgSpoolShared;

static LgSpoolShared *spool = NULL;

/* This backend's descriptor of the segment that it last wrote to. */
static int	write_fd = -1;
static uint64 write_segment_no = 0;

Size
lg_spool_shmem_size(void)
{
	return MAXALIGN(sizeof(LgSpoolShared));
}

/* In the postmaster, at the start and after a crash. */
void
lg_spool_shmem_init(void)
{
	bool		found;
	LgSpoolFound start;

	spool = ShmemInitStruct("listguard spool", lg_spool_shmem_size(), &found);
	if (found)
		return;
	memset(spool, 0, sizeof(*spool));
	lg_segment_start(spool->node, &start);
	pg_atomic_init_u64(&spool->write_pos, start.write_pos);
	pg_atomic_init_u64(&spool->synced_pos, LG_POS_MAKE(start.oldest, 0));
	pg_atomic_init_u64(&spool->oldest, start.oldest);
	pg_atomic_init_u64(&spool->newest, start.newest);
	pg_atomic_init_u32(&spool->failed, 0);
	spool->last_seq = start.last_seq;
	spool->standby = start.standby;
	if (!pg_strong_random(&spool->boot, sizeof(spool->boot)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a random number for the audit spool")));
	spool->boot &= PG_INT64_MAX;	/* fits a bigint */
}

const uint8 *
lg_node_id(void)
{
	static const uint8 none[16] = {0};

	return spool ? spool->node : none;
}

bool
lg_node_standby(void)
{
	return spool != NULL && spool->standby;
}

uint64
lg_spool_boot(void)
{
	return spool ? spool->boot : 0;
}

const char *
lg_spool_path(void)
{
	return lg_spool_dir;
}

LgSpoolPos
lg_spool_write_position(void)
{
	LgSpoolPos	pos = spool ? pg_atomic_read_u64(&spool->write_pos) : 0;

	pg_read_barrier();
	return pos;
}

LgSpoolPos
lg_spool_oldest_position(void)
{
	return spool ? LG_POS_MAKE(pg_atomic_read_u64(&spool->oldest), LG_SEGMENT_HEADER) : 0;
}

/* ---- space ---- */

static uint64
spool_limit(void)
{
	return (uint64) lg_spool_max * 1024 * 1024;
}

/* Bytes in use once bytes more are written; the caller need not hold the lock. */
static bool
within_limit(uint64 bytes)
{
	uint64		used = pg_atomic_read_u64(&spool->write_pos) -
		LG_POS_MAKE(pg_atomic_read_u64(&spool->oldest), 0);

	return used + spool->reserved + bytes <= spool_limit();
}

/*
 * Is there room on disk, already written, for bytes more and all that is
 * reserved?  Half a segment is kept aside per segment end, where a record may
 * not fit.  Makes segments if need be.  Lock held; sets errno.
 */
static bool
ready_room(uint64 bytes)
{
	uint64		need = pg_atomic_read_u64(&spool->write_pos) + spool->reserved + bytes + LG_RECORD_MAX;

	while (LG_POS_MAKE(pg_atomic_read_u64(&spool->newest) + 1, 0) < need)
	{
		uint64		number = pg_atomic_read_u64(&spool->newest) + 1;

		if (!lg_segment_make(spool->node, number) && errno != EEXIST)
			return false;
		pg_atomic_write_u64(&spool->newest, number);
	}
	return true;
}

/* ---- writing ---- */

static bool
pwrite_all(int fd, const void *data, size_t len, off_t at)
{
	const char *p = data;

	while (len > 0)
	{
		ssize_t		n = pg_pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = EIO;
			return false;
		}
		p += n;
		at += n;
		len -= n;
	}
	return true;
}

static bool
use_segment(uint64 number)
{
	if (write_fd >= 0 && write_segment_no == number)
		return true;
	if (write_fd >= 0)
	{
		close(write_fd);
		ReleaseExternalFD();
	}
	write_fd = lg_segment_open(number, O_RDWR);
	if (write_fd < 0)
		return false;
	ReserveExternalFD();
	write_segment_no = number;
	return true;
}

/* Ends the current segment; the write position moves to the next one. */
static bool
next_segment(LgSpoolPos *pos)
{
	uint64		number = LG_POS_SEGMENT(*pos);
	uint32		left = LG_SEGMENT_BYTES - LG_POS_OFFSET(*pos);
	LgSpoolRecord fill = {.magic = LG_RECORD_MAGIC, .length = sizeof(fill), .kind = LG_REC_FILL};
	pg_crc32c	crc;

	if (left >= sizeof(fill))
	{
		INIT_CRC32C(crc);
		fill.boot = spool->boot;
		fill.crc = lg_segment_crc(&fill, crc);
		if (!use_segment(number) ||
			!pwrite_all(write_fd, &fill, sizeof(fill), LG_POS_OFFSET(*pos)))
			return false;
	}
	*pos = LG_POS_MAKE(number + 1, LG_SEGMENT_HEADER);
	return true;
}

/*
 * Header and payload in one write where they fit a small buffer.  A partial
 * write leaves bytes that no reader passes: the position does not move.
 */
static bool
write_record(const LgSpoolRecord *head, const void *payload, uint32 len, LgSpoolPos pos)
{
	char		buffer[2048];
	off_t		at = LG_POS_OFFSET(pos);

	if (!use_segment(LG_POS_SEGMENT(pos)))
		return false;
	if (sizeof(*head) + len > sizeof(buffer))
		return pwrite_all(write_fd, payload, len, at + sizeof(*head)) &&
			pwrite_all(write_fd, head, sizeof(*head), at);
	memcpy(buffer, head, sizeof(*head));
	memcpy(buffer + sizeof(*head), payload, len);
	return pwrite_all(write_fd, buffer, sizeof(*head) + len, at);
}

/* Lock held.  Fills in what depends on the place; false and errno. */
static bool
append_locked(LgSpoolRecord *head, const void *payload, uint32 len, pg_crc32c payload_crc,
			  bool reserved, LgSpoolPos *end)
{
	LgSpoolPos	pos = pg_atomic_read_u64(&spool->write_pos);
	uint64		size = RECORD_SIZE(len);

	if (!reserved && !within_limit(size))
	{
		errno = ENOSPC;
		return false;
	}
	if (!ready_room(reserved ? 0 : size))
		return false;
	if (LG_POS_OFFSET(pos) + size > LG_SEGMENT_BYTES || LG_POS_OFFSET(pos) == 0)
	{
		if (LG_POS_OFFSET(pos) == 0)
			pos += LG_SEGMENT_HEADER;
		else if (!next_segment(&pos))
			return false;
	}
	head->seq = spool->last_seq + 1;
	head->crc = lg_segment_crc(head, payload_crc);
	if (!write_record(head, payload, len, pos))
		return false;
	spool->last_seq = head->seq;
	if (reserved)
		spool->reserved -= Min(size, spool->reserved);
	*end = pos + size;
	pg_write_barrier();
	pg_atomic_write_u64(&spool->write_pos, *end);
	return true;
}

uint64
lg_spool_try_append(const void *payload, uint32 len, Oid dboid,
					LgRecordKind kind, LgSync sync, int64 at, bool reserved)
{
	LgSpoolRecord head = {.magic = LG_RECORD_MAGIC, .kind = kind, .sync = sync};
	pg_crc32c	crc;
	LgSpoolPos	end;
	bool		ok;
	int			saved;

	if (spool == NULL || len > LG_RECORD_MAX - sizeof(head) ||
		pg_atomic_read_u32(&spool->failed) != 0)
	{
		errno = spool == NULL ? ENODEV : EIO;
		return 0;
	}
	head.length = sizeof(head) + len;
	head.at = at;
	head.boot = spool->boot;
	head.session_start = (int64) MyStartTime;
	head.session_pid = MyProcPid;
	head.dboid = dboid;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, payload, len);
	LWLockAcquire(lg_lock(LG_LOCK_SPOOL), LW_EXCLUSIVE);
	ok = append_locked(&head, payload, len, crc, reserved, &end);
	saved = errno;
	LWLockRelease(lg_lock(LG_LOCK_SPOOL));
	errno = saved;
	if (!ok)
		return 0;
	if (sync == LG_SYNCED && !lg_spool_sync(end))
	{
		errno = EIO;
		return 0;
	}
	return head.seq;
}

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_LG_AUDIT),
			 errmsg("audit cannot be written: nothing is read"),
			 errdetail_log("Audit spool: %m."),
			 errhint("Look at the server log, free space for the audit spool, or raise listguard.spool_max.")));
}

uint64
lg_spool_append(const void *payload, uint32 len, Oid dboid,
				LgRecordKind kind, LgSync sync, int64 at)
{
	uint64		seq = lg_spool_try_append(payload, len, dboid, kind, sync, at, false);

	if (seq == 0)
		refuse();
	return seq;
}

void
lg_spool_reserve(uint32 len)
{
	uint64		size = RECORD_SIZE(len);
	bool		ok;
	int			saved;

	if (spool == NULL)
	{
		errno = ENODEV;
		refuse();
	}
	LWLockAcquire(lg_lock(LG_LOCK_SPOOL), LW_EXCLUSIVE);
	ok = within_limit(size);
	errno = ENOSPC;
	ok = ok && ready_room(size);
	saved = errno;
	if (ok)
		spool->reserved += size;
	LWLockRelease(lg_lock(LG_LOCK_SPOOL));
	errno = saved;
	if (!ok)
		refuse();
}

void
lg_spool_unreserve(uint32 len)
{
	if (spool == NULL)
		return;
	LWLockAcquire(lg_lock(LG_LOCK_SPOOL), LW_EXCLUSIVE);
	spool->reserved -= Min(RECORD_SIZE(len), spool->reserved);
	LWLockRelease(lg_lock(LG_LOCK_SPOOL));
}

bool
lg_spool_usable(void)
{
	return spool != NULL && pg_atomic_read_u32(&spool->failed) == 0 && within_limit(USABLE_BYTES);
}

/* ---- fdatasync ---- */

/* After a failed fdatasync nobody knows what is on disk: never again. */
static void
mark_failed(int error)
{
	pg_atomic_write_u32(&spool->failed, (uint32) Max(error, 1));
	errno = error;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not synchronize the audit spool: %m"),
			 errhint("Protected reads are refused until the server is restarted.")));
}

/* Lock of the sync held; error number or 0. */
static int
sync_segments(LgSpoolPos from, LgSpoolPos to)
{
	uint64		number;

	for (number = LG_POS_SEGMENT(from); number <= LG_POS_SEGMENT(to - 1); number++)
	{
		int			fd = lg_segment_open(number, O_RDWR);
		int			result;
		int			saved;

		if (fd < 0 && errno == ENOENT && number < pg_atomic_read_u64(&spool->oldest))
			continue;			/* drained and recycled since */
		if (fd < 0)
			return errno;
		result = pg_fdatasync(fd);
		saved = errno;
		close(fd);
		if (result != 0)
			return saved;
	}
	return 0;
}

/* Lock of the sync held. */
static int
sync_all(void)
{
	LgSpoolPos	target = pg_atomic_read_u64(&spool->write_pos);
	int			error = sync_segments(pg_atomic_read_u64(&spool->synced_pos), target);

	if (error == 0)
		pg_atomic_write_u64(&spool->synced_pos, target);
	return error;
}

/* Whoever waits for the lock looks first whether its holder has done the work. */
bool
lg_spool_sync(LgSpoolPos pos)
{
	int			error = 0;

	if (spool == NULL)
		return false;
	while (pg_atomic_read_u64(&spool->synced_pos) < pos)
	{
		if (pg_atomic_read_u32(&spool->failed) != 0)
			return false;
		if (!LWLockAcquireOrWait(lg_lock(LG_LOCK_SPOOL_SYNC), LW_EXCLUSIVE))
			continue;
		if (pg_atomic_read_u64(&spool->synced_pos) < pos)
			error = sync_all();
		LWLockRelease(lg_lock(LG_LOCK_SPOOL_SYNC));
		if (error != 0)
		{
			mark_failed(error);
			return false;
		}
	}
	return true;
}

/* ---- housekeeping ---- */

/* Spares are written without the lock; linking decides who made a segment. */
void
lg_spool_maintain(void)
{
	uint64		wanted;
	uint64		number;

	if (spool == NULL || pg_atomic_read_u32(&spool->failed) != 0)
		return;
	wanted = LG_POS_SEGMENT(pg_atomic_read_u64(&spool->write_pos)) + SPARE_SEGMENTS;
	while ((number = pg_atomic_read_u64(&spool->newest) + 1) <= wanted)
	{
		if (!lg_segment_make(spool->node, number) && errno != EEXIST)
		{
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not make a segment of the audit spool: %m")));
			return;
		}
		LWLockAcquire(lg_lock(LG_LOCK_SPOOL), LW_EXCLUSIVE);
		if (pg_atomic_read_u64(&spool->newest) + 1 == number)
			pg_atomic_write_u64(&spool->newest, number);
		LWLockRelease(lg_lock(LG_LOCK_SPOOL));
	}
}

/* Only the launcher calls this: nobody else moves the oldest segment. */
void
lg_spool_recycle(LgSpoolPos drained)
{
	uint64		last;
	uint64		number;

	if (spool == NULL)
		return;
	last = LG_POS_SEGMENT(Min(drained, pg_atomic_read_u64(&spool->write_pos)));
	while ((number = pg_atomic_read_u64(&spool->oldest)) < last)
	{
		uint64		used = pg_atomic_read_u64(&spool->write_pos) - LG_POS_MAKE(number, 0);
		int64		age;

		if (lg_segment_age(number, &age) && age < lg_spool_keep && used <= spool_limit() / 2)
			return;
		if (!lg_segment_remove(number))
		{
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not remove a segment of the audit spool: %m")));
			return;
		}
		pg_atomic_write_u64(&spool->oldest, number + 1);
	}
}
