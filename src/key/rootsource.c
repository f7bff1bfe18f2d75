/*-------------------------------------------------------------------------
 *
 * rootsource.c
 *		Read a root key, the current or the old one, from a file or from a
 *		command's output.
 *
 * Both hold 64 hex digits and nothing else but white space behind them.  The
 * file must be as closed to others as the server's TLS key.  The command runs
 * in a process group of its own and is killed when it takes too long: the
 * launcher that waits for it has other work to do.
 *
 * Failures are LOG messages, never errors, and never show what was read.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "key/rootkey.h"

#define HEX_DIGITS		(2 * LG_KEY_BYTES)
#define MAX_SOURCE		256		/* bytes, white space included */
#define TICK_MS			100

extern char **environ;

static bool reading_old = false;	/* which of the two, for messages */

static bool
failed(const char *detail)
{
	ereport(LOG,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 reading_old ? errmsg("could not load the old root key") : errmsg("could not load the root key"),
			 errdetail_internal("%s", detail)));
	return false;
}

/*
 * parse_hex
 *		64 hex digits, then white space only.
 */
static bool
parse_hex(uint8_t out[LG_KEY_BYTES], const char *text, size_t len)
{
	size_t		n = 0;

	for (size_t i = HEX_DIGITS; i < len; i++)
		if (!isspace((unsigned char) text[i]))
			return false;
	if (len < HEX_DIGITS ||
		sodium_hex2bin(out, LG_KEY_BYTES, text, HEX_DIGITS, NULL, &n, NULL) != 0 ||
		n != LG_KEY_BYTES)
	{
		sodium_memzero(out, LG_KEY_BYTES);
		return false;
	}
	return true;
}

/*
 * check_file_mode
 *		The rules that the server applies to ssl_key_file.
 */
static bool
check_file_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return failed("The root key file cannot be examined.");
	if (!S_ISREG(st.st_mode))
		return failed("The root key file is not a regular file.");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return failed("The root key file must be owned by the database user or root.");
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0))
		return failed("The root key file has group or world access; it must have permissions u=rw (0600) or less if owned by the database user, or u=rw,g=r (0640) or less if owned by root.");
	return true;
}

/*
 * read_all
 *		Read to the end of fd, or until out is full; -1 on failure.
 */
static ssize_t
read_all(int fd, char *out, size_t size)
{
	size_t		used = 0;

	while (used < size)
	{
		ssize_t		n = read(fd, out + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t) n;
	}
	return (ssize_t) used;
}

/*
 * read_file
 *		The mode is checked on the open file, so that it cannot be exchanged
 *		between check and reading.
 */
static bool
read_file(uint8_t out[LG_KEY_BYTES], const char *path)
{
	char		text[MAX_SOURCE];
	ssize_t		len;
	bool		good;
	int			fd = BasicOpenFile(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 reading_old ? errmsg("could not open old root key file \"%s\": %m", path) :
				 errmsg("could not open root key file \"%s\": %m", path)));
		return false;
	}
	good = check_file_mode(fd);
	if (good)
	{
		len = read_all(fd, text, sizeof(text));
		good = len >= 0 && (size_t) len < sizeof(text) && parse_hex(out, text, (size_t) len);
		sodium_memzero(text, sizeof(text));
		if (!good)
			failed("The root key file must hold 64 hex digits and nothing else.");
	}
	close(fd);
	return good;
}

/*
 * spawn_command
 *		Start "/bin/sh -c command" with its output in a pipe.
 *
 * Signals are as a fresh process expects them: the server ignores or blocks
 * some that a child would inherit.
 */
static bool
spawn_command(const char *command, pid_t *pid, int *fd)
{
	char	   *argv[] = {"sh", "-c", unconstify(char *, command), NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t	none;
	sigset_t	defaults;
	int			ends[2];
	int			rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return failed("A pipe for the root key command cannot be made.");
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	sigaddset(&defaults, SIGHUP);
	sigaddset(&defaults, SIGCHLD);
	sigaddset(&defaults, SIGUSR1);
	sigaddset(&defaults, SIGUSR2);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	rc = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (rc != 0)
	{
		close(ends[0]);
		return failed("The root key command cannot be started.");
	}
	*fd = ends[0];
	return true;
}

/*
 * give_up
 *		Must we stop waiting?  Nothing is raised here: a child has to be reaped.
 */
static bool
give_up(TimestampTz start)
{
	return ShutdownRequestPending || ProcDiePending || QueryCancelPending ||
		TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LG_ROOT_COMMAND_SECONDS * 1000);
}

/*
 * collect_output
 *		Read the command's output; -1 if it is too long or too late.
 */
static ssize_t
collect_output(int fd, char *out, size_t size, TimestampTz start)
{
	size_t		used = 0;

	while (!give_up(start))
	{
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t		n;

		if (poll(&p, 1, TICK_MS) <= 0)
			continue;
		n = read(fd, out + used, size - used);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return (ssize_t) used;
		used += (size_t) n;
		if (used == size)
			return -1;
	}
	return -1;
}

/*
 * reap
 *		Wait for the command's end; kill it when kill_now or too late.
 *		Returns whether it ended by itself and with success.
 */
static bool
reap(pid_t pid, bool kill_now, TimestampTz start)
{
	int			status = 0;
	pid_t		rc;

	while (!kill_now)
	{
		rc = waitpid(pid, &status, WNOHANG);
		if (rc == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (rc < 0 && errno != EINTR)
			return false;
		kill_now = give_up(start);
		pg_usleep(10000L);
	}
	kill(-pid, SIGKILL);
	do
		rc = waitpid(pid, &status, 0);
	while (rc < 0 && errno == EINTR);
	return false;
}

static bool
read_command(uint8_t out[LG_KEY_BYTES], const char *command)
{
	TimestampTz start = GetCurrentTimestamp();
	char		text[MAX_SOURCE];
	ssize_t		len;
	bool		good;
	pid_t		pid;
	int			fd = -1;

	if (!spawn_command(command, &pid, &fd))
		return false;
	len = collect_output(fd, text, sizeof(text), start);
	close(fd);
	if (!reap(pid, len < 0, start))
	{
		sodium_memzero(text, sizeof(text));
		return failed("The root key command failed, printed too much or took too long.");
	}
	good = parse_hex(out, text, (size_t) len);
	sodium_memzero(text, sizeof(text));
	return good || failed("The root key command must print 64 hex digits and nothing else.");
}

LgRootFound
lg_rootsource_read(uint8_t out[LG_KEY_BYTES], const char *file, const char *command, bool old)
{
	bool		has_file = file != NULL && file[0] != '\0';
	bool		has_command = command != NULL && command[0] != '\0';
	bool		good;

	memset(out, 0, LG_KEY_BYTES);
	reading_old = old;
	if (!has_file && !has_command && old)
		return LG_ROOT_UNSET;
	if (has_file && has_command)
		good = failed("Only one of the settings for its file and for its command may be set.");
	else if (has_file)
		good = read_file(out, file);
	else if (has_command)
		good = read_command(out, command);
	else
		good = failed("Neither listguard.root_key_file nor listguard.root_key_command is set.");
	return good ? LG_ROOT_READ : LG_ROOT_FAILED;
}
