/*-------------------------------------------------------------------------
 *
 * burn.c
 *		Tickets used on this node: in shared memory and in a file.
 *
 * The file "burnt" in the spool directory is a row of 32-byte records
 *
 *		"LGB1" | jti (16) | exp (8, LE, unix microseconds) | crc32c (4, LE)
 *
 * appended and synced before a ticket is in force, so that neither ROLLBACK
 * nor a crash gives it back.  A record never straddles a disk sector.  Records
 * are kept for a day after exp and then left out when the file is written
 * anew, at start-up or when the table is full.
 *
 * A last record that is torn belongs to a ticket that never was in force (its
 * sync had not returned) and is dropped.  Anything else that is wrong closes
 * the whole store: no ticket is accepted until somebody has looked.
 *
 * Locking: LG_LOCK_BURN exclusively around look-up, append and sync together;
 * that serialises two sessions with one ticket.  The postmaster sets up alone.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "shmem.h"
#include "ticket/store.h"
#include "ticket/ticket.h"

#define BURN_SLOTS		65536	/* a power of two */
#define BURN_MAX		(BURN_SLOTS / 4 * 3)
#define BURN_KEEP		USECS_PER_DAY	/* after exp */
#define BURN_MAGIC		"LGB1"
#define BURN_BYTES		32
#define BURN_BUFFER		(256 * BURN_BYTES)

/* Offsets in a record. */
#define BURN_AT_JTI		4
#define BURN_AT_EXP		20
#define BURN_AT_CRC		28

typedef struct BurnSlot
{
	uint8		jti[16];
	int64		exp;			/* 0: empty */
} BurnSlot;

typedef struct BurnShared
{
	bool		usable;
	uint32		used;			/* slots taken */
	int64		end;			/* bytes of good records in the file */
	BurnSlot	slots[BURN_SLOTS];
} BurnShared;

static BurnShared *burn = NULL;
static const char *burn_reason = NULL;

static void
burn_path(char path[MAXPGPATH], const char *suffix)
{
	if (lg_spool_directory != NULL && lg_spool_directory[0] != '\0')
		snprintf(path, MAXPGPATH, "%s/burnt%s", lg_spool_directory, suffix);
	else
		snprintf(path, MAXPGPATH, "%s/listguard_spool/burnt%s", DataDir, suffix);
}

/* The slot of a jti, or the empty one where it belongs; there always is one. */
static BurnSlot *
find_slot(const uint8 jti[16])
{
	uint32		at;

	memcpy(&at, jti, sizeof(at));
	for (;; at++)
	{
		BurnSlot   *slot = &burn->slots[at % BURN_SLOTS];

		if (slot->exp == 0 || memcmp(slot->jti, jti, sizeof(slot->jti)) == 0)
			return slot;
	}
}

static bool
has_lapsed(int64 exp, int64 now)
{
	return exp < now - BURN_KEEP;
}

static pg_crc32c
record_crc(const uint8 record[BURN_BYTES])
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, record, BURN_AT_CRC);
	FIN_CRC32C(crc);
	return crc;
}

static void
put_le(uint8 *out, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8) (value >> (8 * i));
}

static uint64
get_le(const uint8 *in, int bytes)
{
	uint64		value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64) in[i] << (8 * i);
	return value;
}

static void
encode_record(uint8 record[BURN_BYTES], const uint8 jti[16], int64 exp)
{
	memcpy(record, BURN_MAGIC, BURN_AT_JTI);
	memcpy(record + BURN_AT_JTI, jti, 16);
	put_le(record + BURN_AT_EXP, (uint64) exp, 8);
	put_le(record + BURN_AT_CRC, record_crc(record), 4);
}

/* exp of a good record, 0 of a bad one. */
static int64
decode_record(const uint8 record[BURN_BYTES])
{
	int64		exp = (int64) get_le(record + BURN_AT_EXP, 8);

	if (memcmp(record, BURN_MAGIC, BURN_AT_JTI) != 0 ||
		get_le(record + BURN_AT_CRC, 4) != record_crc(record) || exp <= 0)
		return 0;
	return exp;
}

/* Put into the table what has not lapsed; false if the table is full. */
static bool
remember(const uint8 jti[16], int64 exp)
{
	BurnSlot   *slot = find_slot(jti);

	if (slot->exp == 0)
	{
		if (burn->used >= BURN_MAX)
			return false;
		memcpy(slot->jti, jti, sizeof(slot->jti));
		burn->used++;
	}
	slot->exp = Max(slot->exp, exp);
	return true;
}

/* Read the file into the empty table; NULL, or what is wrong with it. */
static const char *
load_records(int fd, int64 size)
{
	const int64 now = lg_ticket_now();
	uint8		record[BURN_BYTES];

	for (int64 at = 0; at < size; at += BURN_BYTES)
	{
		ssize_t		got = pg_pread(fd, record, BURN_BYTES, at);
		int64		exp;

		if (got < 0)
			return "it cannot be read";
		exp = got == BURN_BYTES ? decode_record(record) : 0;
		if (exp == 0 && at + BURN_BYTES >= size)
			return NULL;
		if (exp == 0)
			return "a record is damaged";
		if (!has_lapsed(exp, now) && !remember(record + BURN_AT_JTI, exp))
			return "it holds too many tickets";
	}
	return NULL;
}

static const char *
read_file(const char *path)
{
	struct stat st;
	const char *fault;
	int			fd;

	memset(burn->slots, 0, sizeof(burn->slots));
	burn->used = 0;
	fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		return errno == ENOENT ? NULL : "it cannot be opened";
	fault = fstat(fd, &st) != 0 ? "it cannot be read" : load_records(fd, st.st_size);
	close(fd);
	return fault;
}

/* Write all of buf at a place; false on any error. */
static bool
write_at(int fd, const uint8 *buf, size_t len, int64 at)
{
	size_t		done = 0;

	while (done < len)
	{
		ssize_t		n = pg_pwrite(fd, buf + done, len - done, at + (int64) done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t) n;
	}
	return true;
}

/* The table's records into an open file; bytes written, -1 on error. */
static int64
write_records(int fd)
{
	uint8		buffer[BURN_BUFFER];
	size_t		fill = 0;
	int64		end = 0;

	for (int i = 0; i < BURN_SLOTS; i++)
	{
		if (burn->slots[i].exp == 0)
			continue;
		encode_record(buffer + fill, burn->slots[i].jti, burn->slots[i].exp);
		fill += BURN_BYTES;
		if (fill < sizeof(buffer))
			continue;
		if (!write_at(fd, buffer, fill, end))
			return -1;
		end += (int64) fill;
		fill = 0;
	}
	return write_at(fd, buffer, fill, end) ? end + (int64) fill : -1;
}

/* Replace the file by what the table holds, durably. */
static const char *
rewrite_file(const char *path)
{
	char		tmp[MAXPGPATH];
	int64		end;
	int			fd;

	burn_path(tmp, ".tmp");
	fd = BasicOpenFilePerm(tmp, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return "it cannot be written";
	end = write_records(fd);
	if (end >= 0 && pg_fsync(fd) != 0)
		end = -1;
	if (close(fd) != 0 || end < 0)
		return "it cannot be written";
	if (durable_rename(tmp, path, LOG) != 0)
		return "it cannot be replaced";
	burn->end = end;
	return NULL;
}

/*
 * reload
 *		Table from file without what has lapsed, then file from table.
 *
 * Whatever goes wrong closes the store.  The records on disk are complete at
 * every moment, so this may run at start-up and under the lock alike.
 */
static void
reload(void)
{
	char		path[MAXPGPATH];
	const char *fault;

	burn->usable = false;
	burn_path(path, "");
	fault = read_file(path);
	if (fault == NULL)
		fault = rewrite_file(path);
	burn->usable = fault == NULL;
	if (fault != NULL)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("listguard accepts no export ticket: the file of used tickets is out of order"),
				 errdetail("\"%s\": %s.", path, fault)));
}

Size
lg_burn_shmem_size(void)
{
	return sizeof(BurnShared);
}

/*
 * lg_burn_shmem_init
 *		Set up the table and read the file, in the postmaster, at start and
 *		after a crash.  The spool has made the directory by then.
 */
void
lg_burn_shmem_init(void)
{
	bool		found;

	burn = ShmemInitStruct("listguard burnt tickets", sizeof(BurnShared), &found);
	if (!found)
		reload();
}

/* Append one record and sync it; on failure the store is closed or as before. */
static bool
append(const uint8 jti[16], int64 exp)
{
	char		path[MAXPGPATH];
	uint8		record[BURN_BYTES];
	int			fd;

	burn_path(path, "");
	encode_record(record, jti, exp);
	fd = BasicOpenFile(path, O_RDWR | PG_BINARY);
	if (fd < 0)
		return false;
	if (!write_at(fd, record, BURN_BYTES, burn->end))
	{
		/* what was half written must not stand before the next record */
		if (ftruncate(fd, burn->end) != 0)
			burn->usable = false;
		close(fd);
		return false;
	}
	if (pg_fdatasync(fd) != 0)
	{
		/* after a failed sync nobody knows what is on disk */
		burn->usable = false;
		close(fd);
		return false;
	}
	close(fd);
	burn->end += BURN_BYTES;
	return true;
}

static bool
burn_locked(const uint8 jti[16], int64 exp)
{
	burn_reason = "the store of used tickets is closed";
	if (!burn->usable)
		return false;
	burn_reason = "used before";
	if (find_slot(jti)->exp != 0)
		return false;
	if (burn->used >= BURN_MAX)
		reload();
	burn_reason = "the store of used tickets is full";
	if (!burn->usable || !remember(jti, exp))
		return false;
	burn_reason = "its use cannot be written down";
	if (!append(jti, exp))
		return false;
	burn_reason = NULL;
	return true;
}

/*
 * lg_burn
 *		Mark a ticket as used, durably; false if that is not possible.
 *
 * exp in unix microseconds.  lg_burn_reason() tells why it was not possible.
 * A ticket whose record could not be written counts as used all the same.
 */
bool
lg_burn(const uint8_t jti[16], int64 exp_usec)
{
	bool		burnt;

	burn_reason = "the store of used tickets is closed";
	if (burn == NULL || exp_usec <= 0)
		return false;
	LWLockAcquire(lg_lock(LG_LOCK_BURN), LW_EXCLUSIVE);
	burnt = burn_locked(jti, exp_usec);
	LWLockRelease(lg_lock(LG_LOCK_BURN));
	return burnt;
}

/*
 * lg_burn_known
 *		Was this ticket used here before? Also true while the store is closed.
 */
bool
lg_burn_known(const uint8_t jti[16])
{
	bool		known;

	burn_reason = "the store of used tickets is closed";
	if (burn == NULL)
		return true;
	LWLockAcquire(lg_lock(LG_LOCK_BURN), LW_SHARED);
	known = !burn->usable;
	if (!known && find_slot(jti)->exp != 0)
	{
		burn_reason = "used before";
		known = true;
	}
	LWLockRelease(lg_lock(LG_LOCK_BURN));
	return known;
}

/* Static text: why the last lg_burn or lg_burn_known of this backend said no. */
const char *
lg_burn_reason(void)
{
	return burn_reason;
}
