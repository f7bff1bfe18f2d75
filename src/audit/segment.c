/*-------------------------------------------------------------------------
 *
 * segment.c
 *		Files of the spool: the directory and its lock, the node's identity,
 *		pre-written segments, and what is done with them at the start.
 *
 * Layout of the spool directory:
 *		lock		locked by the running server
 *		node		who this node is (see node_settle)
 *		<node>/		segments, named by their number in 16 hex digits
 *
 * A copied data directory gets a node of its own, and with it a directory of
 * its own; the segments that came with the copy belong to their node and stay
 * as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "audit/segment.h"
#include "guc.h"

#define NODE_TEXT_MAX	256

char		lg_spool_root[MAXPGPATH];
char		lg_spool_dir[MAXPGPATH];

/* Where a node lives: system identifier, and a file of the data directory. */
typedef struct LgNodePlace
{
	uint64		system;
	uint64		inode;
	uint64		device;
	uint64		birth;			/* nanoseconds; 0: not known */
	bool		standby;		/* started as a standby */
} LgNodePlace;

static int	lock_fd = -1;		/* the postmaster's, and its children's: held by the open file */

/* ---- records ---- */

/* Checksum of a record, given its payload's (COMP_CRC32C not yet finished). */
pg_crc32c
lg_segment_crc(const LgSpoolRecord *head, pg_crc32c payload_crc)
{
	COMP_CRC32C(payload_crc, &head->length, sizeof(head->length));
	COMP_CRC32C(payload_crc, &head->kind,
				sizeof(LgSpoolRecord) - offsetof(LgSpoolRecord, kind));
	FIN_CRC32C(payload_crc);
	return payload_crc;
}

/* Is there a whole record at these bytes?  Copies its header out. */
bool
lg_segment_valid_record(const uint8 *at, size_t room, LgSpoolRecord *head)
{
	pg_crc32c	crc;

	if (room < sizeof(LgSpoolRecord))
		return false;
	memcpy(head, at, sizeof(LgSpoolRecord));
	if (head->magic != LG_RECORD_MAGIC ||
		head->length < sizeof(LgSpoolRecord) || head->length > LG_RECORD_MAX ||
		head->length > room)
		return false;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, at + sizeof(LgSpoolRecord), head->length - sizeof(LgSpoolRecord));
	return EQ_CRC32C(lg_segment_crc(head, crc), head->crc);
}

/* ---- files ---- */

/* path has MAXPGPATH bytes. */
void
lg_segment_name(char *path, uint64 number)
{
	snprintf(path, MAXPGPATH, "%s/%016llX", lg_spool_dir, (unsigned long long) number);
}

/* Returns a descriptor that programs started by the server do not inherit; -1 and errno. */
int
lg_segment_open(uint64 number, int flags)
{
	char		path[MAXPGPATH];

	lg_segment_name(path, number);
	return BasicOpenFile(path, flags | O_CLOEXEC | PG_BINARY);
}

static bool
write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0)
	{
		ssize_t		n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = ENOSPC;
			return false;
		}
		p += n;
		len -= n;
	}
	return true;
}

static bool
write_segment(int fd, const uint8 node[16], uint64 number)
{
	static char block[65536];	/* zero, but for the first one's header */
	LgSegmentHeader *head = (LgSegmentHeader *) block;
	int			done;
	bool		ok = true;

	memset(head, 0, sizeof(*head));
	memcpy(head->magic, LG_SEGMENT_MAGIC, sizeof(head->magic));
	memcpy(head->node, node, sizeof(head->node));
	head->number = number;
	for (done = 0; ok && done < LG_SEGMENT_BYTES; done += sizeof(block))
	{
		ok = write_all(fd, block, sizeof(block));
		memset(head, 0, sizeof(*head));
	}
	return ok && pg_fdatasync(fd) == 0;
}

/*
 * Writes a segment of zeros under a name of this process and links it into
 * place: false with EEXIST where another process was faster.
 */
bool
lg_segment_make(const uint8 node[16], uint64 number)
{
	char		tmp[MAXPGPATH];
	char		path[MAXPGPATH];
	int			fd;
	int			saved;
	bool		ok;

	lg_segment_name(path, number);
	snprintf(tmp, sizeof(tmp), "%s/new.%d", lg_spool_dir, MyProcPid);
	fd = BasicOpenFile(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | PG_BINARY);
	if (fd < 0)
		return false;
	ok = write_segment(fd, node, number) && link(tmp, path) == 0;
	saved = errno;
	close(fd);
	unlink(tmp);
	if (ok)
		fsync_fname(lg_spool_dir, true);
	errno = saved;
	return ok;
}

bool
lg_segment_remove(uint64 number)
{
	char		path[MAXPGPATH];

	lg_segment_name(path, number);
	return unlink(path) == 0 || errno == ENOENT;
}

/* Seconds since the segment was last written to. */
bool
lg_segment_age(uint64 number, int64 *seconds)
{
	char		path[MAXPGPATH];
	struct stat st;

	lg_segment_name(path, number);
	if (stat(path, &st) != 0)
		return false;
	*seconds = (int64) time(NULL) - (int64) st.st_mtime;
	return true;
}

/* ---- start: directory, lock, node ---- */

/*
 * sheltered: it lies in a directory that is closed to others already, and its
 * mode, which a plain copy does not keep, is put right.
 */
static void
make_directory(const char *path, bool sheltered)
{
	struct stat st;

	if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create audit spool directory: %m")));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("audit spool is not a directory")));
	if (sheltered && st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0 &&
		chmod(path, S_IRWXU) == 0)
		st.st_mode = S_IRWXU;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("audit spool directory belongs to another user or is open to others"),
				 errhint("Its mode should be 0700.")));
}

/*
 * The lock goes with the open file, which children inherit: it is free only
 * when the last of them is gone, even if the postmaster was killed.
 */
static void
lock_directory(void)
{
	char		path[MAXPGPATH];

	if (lock_fd >= 0)
		return;					/* crash restart: still ours */
	snprintf(path, sizeof(path), "%s/lock", lg_spool_root);
	lock_fd = BasicOpenFile(path, O_RDWR | O_CREAT | O_CLOEXEC | PG_BINARY);
	if (lock_fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open lock file of the audit spool: %m")));
	if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_LOCK_FILE_EXISTS),
				 errmsg("audit spool is in use by another server"),
				 errhint("Give each server its own listguard.spool_directory.")));
}

/*
 * When a file was made, in nanoseconds; 0 where the file system does not say.
 */
static uint64
birth_of(const char *path)
{
#ifdef STATX_BTIME
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_BTIME, &st) == 0 && (st.stx_mask & STATX_BTIME) != 0)
		return (uint64) st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
#endif
	return 0;
}

/*
 * What tells this data directory from a copy of it, and from itself restored
 * in place: a file that initdb writes and nothing ever replaces.
 */
static void
place_take(LgNodePlace *place)
{
	char		path[MAXPGPATH];
	struct stat st;

	snprintf(path, sizeof(path), "%s/PG_VERSION", DataDir);
	if (stat(path, &st) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\" of the data directory: %m", "PG_VERSION")));
	place->system = GetSystemIdentifier();
	place->inode = st.st_ino;
	place->device = st.st_dev;
	place->birth = birth_of(path);
	snprintf(path, sizeof(path), "%s/standby.signal", DataDir);
	place->standby = stat(path, &st) == 0;
}

/* A device's number may change from boot to boot, a birth does not. */
static bool
same_place(const LgNodePlace *a, const LgNodePlace *b)
{
	if (a->system != b->system || a->inode != b->inode)
		return false;
	return a->birth != 0 && b->birth != 0 ? a->birth == b->birth : a->device == b->device;
}

static bool
node_read(const char *path, char *text)
{
	int			fd = BasicOpenFile(path, O_RDONLY | O_CLOEXEC | PG_BINARY);
	ssize_t		n;

	if (fd < 0 && errno == ENOENT)
		return false;
	n = fd < 0 ? -1 : read(fd, text, NODE_TEXT_MAX - 1);
	if (n < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not read node file of the audit spool: %m")));
	close(fd);
	text[n] = '\0';
	return true;
}

static void
node_write(const char *path, const char *text)
{
	char		tmp[MAXPGPATH];
	int			fd;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = BasicOpenFile(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | PG_BINARY);
	if (fd < 0 || !write_all(fd, text, strlen(text)) || pg_fsync(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write node file of the audit spool: %m")));
	close(fd);
	(void) durable_rename(tmp, path, FATAL);
}

static bool
hex_to_node(const char *text, uint8 node[16])
{
	int			i;

	for (i = 0; i < 16; i++)
	{
		unsigned int byte;

		if (strspn(text + 2 * i, "0123456789abcdef") < 2 ||
			sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		node[i] = (uint8) byte;
	}
	return text[32] == ' ';
}

static void
node_to_hex(const uint8 node[16], char *hex)
{
	int			i;

	for (i = 0; i < 16; i++)
		sprintf(hex + 2 * i, "%02x", node[i]);
}

/* One line: id, system identifier, inode, device, birth, and "own" or "standby". */
static void
node_save(const char *path, const uint8 node[16], const LgNodePlace *place)
{
	char		text[NODE_TEXT_MAX];
	char		hex[33];

	node_to_hex(node, hex);
	snprintf(text, sizeof(text), "%s %llu %llu %llu %llu %s\n", hex,
			 (unsigned long long) place->system, (unsigned long long) place->inode,
			 (unsigned long long) place->device, (unsigned long long) place->birth,
			 place->standby ? "standby" : "own");
	node_write(path, text);
}

static bool
node_parse(const char *text, uint8 node[16], LgNodePlace *place)
{
	unsigned long long n[4];
	char		origin[8];

	if (!hex_to_node(text, node) ||
		sscanf(text + 33, "%llu %llu %llu %llu %7s", &n[0], &n[1], &n[2], &n[3], origin) != 5)
		return false;
	place->system = n[0];
	place->inode = n[1];
	place->device = n[2];
	place->birth = n[3];
	place->standby = strcmp(origin, "standby") == 0;
	return true;
}

/*
 * The node file holds the node's id and the place it was made for.  At another
 * place it came with a copy, and a new id is made.  A node that was ever
 * started as a standby is one for good: it shares its databases with the
 * server that it followed, and goes on with them when it is promoted.
 */
static void
node_settle(uint8 node[16], bool *standby)
{
	char		path[MAXPGPATH];
	char		text[NODE_TEXT_MAX];
	LgNodePlace here;
	LgNodePlace was;

	snprintf(path, sizeof(path), "%s/node", lg_spool_root);
	place_take(&here);
	if (node_read(path, text))
	{
		if (node_parse(text, node, &was) && same_place(&was, &here))
		{
			*standby = was.standby || here.standby;
			if (here.standby && !was.standby)
				node_save(path, node, &here);
			return;
		}
		ereport(LOG,
				(errmsg("the data directory is a copy or was moved: the audit goes on under a new node")));
	}
	if (!pg_strong_random(node, 16))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a random node id")));
	node[6] = (node[6] & 0x0f) | 0x40;	/* a version 4 uuid */
	node[8] = (node[8] & 0x3f) | 0x80;
	node_save(path, node, &here);
	*standby = here.standby;
}

/* ---- start: segments ---- */

static bool
segment_number(const char *name, uint64 *number)
{
	if (strlen(name) != 16 || strspn(name, "0123456789ABCDEF") != 16)
		return false;
	*number = strtoull(name, NULL, 16);
	return true;
}

/* Finds the segments there are, oldest and newest; removes half-made ones. */
static bool
list_segments(uint64 *oldest, uint64 *newest)
{
	DIR		   *dir = AllocateDir(lg_spool_dir);
	struct dirent *entry;
	bool		any = false;
	uint64		number;

	while ((entry = ReadDirExtended(dir, lg_spool_dir, FATAL)) != NULL)
	{
		char		path[MAXPGPATH];

		if (strncmp(entry->d_name, "new.", 4) == 0)
		{
			snprintf(path, sizeof(path), "%s/%s", lg_spool_dir, entry->d_name);
			unlink(path);
		}
		if (!segment_number(entry->d_name, &number))
			continue;
		*oldest = any ? Min(*oldest, number) : number;
		*newest = any ? Max(*newest, number) : number;
		any = true;
	}
	FreeDir(dir);
	return any;
}

static bool
read_segment(uint64 number, const uint8 node[16], uint8 *bytes)
{
	int			fd = lg_segment_open(number, O_RDONLY);
	size_t		done = 0;
	ssize_t		n = 0;
	LgSegmentHeader head;

	if (fd < 0)
		return false;
	while (done < LG_SEGMENT_BYTES &&
		   (n = pg_pread(fd, bytes + done, LG_SEGMENT_BYTES - done, done)) > 0)
		done += n;
	close(fd);
	memcpy(&head, bytes, sizeof(head));
	return done == LG_SEGMENT_BYTES && head.number == number &&
		memcmp(head.magic, LG_SEGMENT_MAGIC, 8) == 0 && memcmp(head.node, node, 16) == 0;
}

/* What one segment holds. */
typedef struct SegmentScan
{
	bool		any;			/* a record */
	bool		full;			/* ended by LG_REC_FILL or by its size */
	bool		damaged;		/* valid records after bytes that are none */
	bool		torn;			/* bytes that are no record after the last one */
	uint32		end;			/* offset behind the last good record before any damage */
	uint64		last_seq;		/* greatest seen, damage or not */
} SegmentScan;

static bool
all_zero(const uint8 *bytes, size_t len)
{
	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void
scan_segment(const uint8 *bytes, SegmentScan *scan)
{
	uint32		at = LG_SEGMENT_HEADER;
	LgSpoolRecord head;

	memset(scan, 0, sizeof(*scan));
	scan->end = at;
	while (at + sizeof(LgSpoolRecord) <= LG_SEGMENT_BYTES)
	{
		if (!lg_segment_valid_record(bytes + at, LG_SEGMENT_BYTES - at, &head))
		{
			at += 8;
			continue;
		}
		if (at != scan->end)
		{
			scan->damaged = true;
			scan->end = at;
		}
		if (head.kind == LG_REC_FILL)
		{
			scan->full = true;
			return;
		}
		scan->any = true;
		scan->last_seq = Max(scan->last_seq, head.seq);
		at = scan->end = at + MAXALIGN64(head.length);
	}
	scan->full = LG_SEGMENT_BYTES - scan->end < sizeof(LgSpoolRecord);
	scan->torn = !scan->full && !all_zero(bytes + scan->end, LG_SEGMENT_BYTES - scan->end);
}

/* Half a record at the end, nothing behind it: it was never acknowledged. */
static void
cut_tail(uint64 number, uint8 *bytes, uint32 from)
{
	int			fd = lg_segment_open(number, O_RDWR);
	uint32		len = LG_SEGMENT_BYTES - from;

	memset(bytes + from, 0, len);
	if (fd < 0 || pg_pwrite(fd, bytes + from, len, from) != (ssize_t) len || pg_fdatasync(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not cut the torn end of the audit spool: %m")));
	close(fd);
	ereport(LOG, (errmsg("cut a torn record off the end of the audit spool")));
}

/*
 * Where to go on writing: behind the last record of the newest segment that
 * has one.  A damaged segment (bad bytes, then good records) is evidence: it
 * stays as it is, the next one is begun, and the numbers show the gap.
 */
static void
find_end(const uint8 node[16], LgSpoolFound *found)
{
	uint8	   *bytes = malloc(LG_SEGMENT_BYTES);
	uint64		number = found->newest;
	SegmentScan scan;

	if (bytes == NULL)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (;; number--)
	{
		bool		readable = read_segment(number, node, bytes);

		memset(&scan, 0, sizeof(scan));
		scan.end = LG_SEGMENT_HEADER;
		if (readable)
			scan_segment(bytes, &scan);
		else
			ereport(LOG, (errmsg("segment %llu of the audit spool is not readable", (unsigned long long) number)));
		if (scan.any || scan.full || number == found->oldest)
			break;
	}
	if (scan.damaged)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("segment %llu of the audit spool is damaged", (unsigned long long) number)));
	else if (scan.torn)
		cut_tail(number, bytes, scan.end);
	found->last_seq = scan.last_seq;
	found->write_pos = scan.damaged || scan.full ?
		LG_POS_MAKE(number + 1, LG_SEGMENT_HEADER) : LG_POS_MAKE(number, scan.end);
	free(bytes);
}

void
lg_segment_start(uint8 node[16], LgSpoolFound *found)
{
	char		hex[33];

	if (lg_spool_directory != NULL && lg_spool_directory[0] != '\0')
		strlcpy(lg_spool_root, lg_spool_directory, sizeof(lg_spool_root));
	else
		snprintf(lg_spool_root, sizeof(lg_spool_root), "%s/listguard_spool", DataDir);
	make_directory(lg_spool_root, lg_spool_directory == NULL || lg_spool_directory[0] == '\0');
	lock_directory();
	node_settle(node, &found->standby);
	node_to_hex(node, hex);
	if (strlen(lg_spool_root) + 64 > MAXPGPATH)
		ereport(FATAL,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("path of the audit spool is too long")));
	snprintf(lg_spool_dir, sizeof(lg_spool_dir), "%.900s/%s", lg_spool_root, hex);
	make_directory(lg_spool_dir, true);
	if (!list_segments(&found->oldest, &found->newest))
	{
		found->oldest = found->newest = 0;
		if (!lg_segment_make(node, 0))
			ereport(FATAL,
					(errcode_for_file_access(),
					 errmsg("could not make the first segment of the audit spool: %m")));
	}
	find_end(node, found);
}
