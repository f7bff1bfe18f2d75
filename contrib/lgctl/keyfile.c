/*-------------------------------------------------------------------------
 *
 * keyfile.c
 *		The approver's key file: one line of PASERK, readable by its owner only.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>

#include "lgctl.h"

#define KEYFILE_MAX		KEY_TEXT_MAX	/* the longest form has 217 */

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t) n;
	}
	return 0;
}

/* A new file of mode 0600 with text in it; none is left behind on failure. */
static int
write_new_file(const char *path, const char *text)
{
	int			fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return complain(EXIT_REFUSED, "%s exists: a key file is never overwritten", path);
	if (fd < 0)
		return complain(EXIT_IO, "could not create %s: %s", path, strerror(errno));
	if (fchmod(fd, 0600) != 0 || write_all(fd, text, strlen(text)) != 0 || fsync(fd) != 0 || close(fd) != 0)
	{
		complain(EXIT_IO, "could not write %s: %s", path, strerror(errno));
		(void) unlink(path);
		return EXIT_IO;
	}
	return EXIT_DONE;
}

/*
 * keyfile_create
 *		Writes sk to a new file, wrapped under pw, or bare where pw is NULL.
 */
int
keyfile_create(const char *path, const uint8_t sk[LG_ED25519_SECRET], const Passphrase *pw)
{
	char	   *text = sodium_malloc(KEYFILE_MAX);
	LgStatus	st;
	int			code;

	if (text == NULL)
		return complain(EXIT_IO, "out of memory");
	if (pw == NULL)
		st = lg_paserk_secret_format(text, KEYFILE_MAX - 1, sk);
	else
		st = lg_paserk_secret_wrap(text, KEYFILE_MAX - 1, sk, pw->text, pw->len, LG_PW_MEM_DEFAULT, LG_PW_TIME_DEFAULT);
	if (st == LG_OK)
	{
		strcat(text, "\n");
		code = write_new_file(path, text);
	}
	else
		code = complain(EXIT_IO, "could not wrap the key: %s", status_text(st));
	sodium_free(text);
	return code;
}

/*
 * keyfile_read
 *		The one line of a key file that nobody else may read, at most
 *		KEY_TEXT_MAX bytes.
 */
int
keyfile_read(char *text, size_t *len, const char *path)
{
	struct stat st;
	ssize_t		n;
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) != 0)
	{
		complain(EXIT_IO, "could not open %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return EXIT_IO;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 || (st.st_uid != geteuid() && geteuid() != 0))
	{
		close(fd);
		return complain(EXIT_REFUSED, "%s must be a file of your own that nobody else may read (mode 0600)", path);
	}
	n = read(fd, text, KEYFILE_MAX);
	close(fd);
	if (n < 0)
		return complain(EXIT_IO, "could not read %s: %s", path, strerror(errno));
	*len = (size_t) n;
	if (n > 0 && text[n - 1] == '\n')
		(*len)--;
	return EXIT_DONE;
}

static int
unwrap(uint8_t sk[LG_ED25519_SECRET], const char *text, size_t len, const char *path, int passphrase_fd)
{
	Passphrase *pw = sodium_malloc(sizeof(*pw));
	LgStatus	st;
	int			code;

	if (pw == NULL)
		return complain(EXIT_IO, "out of memory");
	code = ask_passphrase(pw, passphrase_fd, "Passphrase of the key: ", NULL);
	if (code == EXIT_DONE)
	{
		st = lg_paserk_secret_unwrap(sk, text, len, pw->text, pw->len);
		if (st == LG_ERR_AUTH)
			code = complain(EXIT_REFUSED, "wrong passphrase, or %s was altered", path);
		else if (st != LG_OK)
			code = complain(st == LG_ERR_MEMORY ? EXIT_IO : EXIT_REFUSED, "%s: %s", path, status_text(st));
	}
	sodium_free(pw);
	return code;
}

/*
 * keyfile_open
 *		Secret key from a file; sk should be guarded memory.
 */
int
keyfile_open(uint8_t sk[LG_ED25519_SECRET], const char *path, int passphrase_fd)
{
	char	   *text = sodium_malloc(KEYFILE_MAX);
	size_t		len = 0;
	LgStatus	st;
	int			code;

	if (text == NULL)
		return complain(EXIT_IO, "out of memory");
	code = keyfile_read(text, &len, path);
	if (code == EXIT_DONE && len > 13 && memcmp(text, "k4.secret-pw.", 13) == 0)
		code = unwrap(sk, text, len, path, passphrase_fd);
	else if (code == EXIT_DONE)
	{
		st = lg_paserk_secret_parse(sk, text, len);
		if (st != LG_OK)
			code = complain(EXIT_REFUSED, "%s holds no secret key of version 4: %s", path, status_text(st));
	}
	sodium_free(text);
	return code;
}
