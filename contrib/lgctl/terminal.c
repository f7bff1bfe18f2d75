/*-------------------------------------------------------------------------
 *
 * terminal.c
 *		What comes from and goes to people: input, passphrases, safe output.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <sodium.h>

#include "lgctl.h"

static volatile sig_atomic_t interrupted = 0;

static void
on_signal(int signo)
{
	(void) signo;
	interrupted = 1;
}

/*
 * Characters that a terminal does not show, or that reorder what it shows:
 * controls, zero-width and bidirectional marks, line separators, tags.
 */
static bool
is_deceptive(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x34F || c == 0x61C || c == 0x115F || c == 0x1160 ||
		c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
		c == 0x3164 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 || (c >= 0xFFF0 && c <= 0xFFFB) ||
		c >= 0xE0000;
}

/* One code point of well-formed UTF-8 (jansson has checked it); the bytes used. */
static int
next_code_point(uint32_t *c, const unsigned char *p)
{
	int			extra = *p < 0x80 ? 0 : *p < 0xE0 ? 1 : *p < 0xF0 ? 2 : 3;
	int			i;

	*c = extra == 0 ? *p : *p & (0x3Fu >> extra);
	for (i = 1; i <= extra; i++)
	{
		if ((p[i] & 0xC0) != 0x80)
			return i;
		*c = *c << 6 | (p[i] & 0x3F);
	}
	return extra + 1;
}

/* Code points that deceive, and those of also, as \u{…}. */
static void
put_escaped(FILE *out, const char *text, const char *also)
{
	const unsigned char *p = (const unsigned char *) text;

	while (*p != '\0')
	{
		uint32_t	c;
		int			n = next_code_point(&c, p);

		if (is_deceptive(c) || strchr(also, *p) != NULL)
			fprintf(out, "\\u{%X}", (unsigned) c);
		else
			fwrite(p, 1, (size_t) n, out);
		p += n;
	}
}

/* Prints text so that what is seen is what is there. */
void
put_text(FILE *out, const char *text)
{
	put_escaped(out, text, "\\");
}

/* The same in double quotes. */
void
put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	put_escaped(out, text, "\\\"");
	fputc('"', out);
}

/* All of fd up to size bytes; EXIT_REFUSED if there is more. */
static int
read_all(int fd, char *buf, size_t size, size_t *len)
{
	ssize_t		n;

	for (*len = 0;;)
	{
		char		more;

		n = *len < size ? read(fd, buf + *len, size - *len) : read(fd, &more, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? EXIT_DONE : EXIT_IO;
		if (*len == size)
			return EXIT_REFUSED;
		*len += (size_t) n;
	}
}

/*
 * read_input
 *		The contents of a file, or of standard input where path is "-".
 */
int
read_input(char *buf, size_t size, size_t *len, const char *path)
{
	bool		standard = strcmp(path, "-") == 0;
	int			fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int			code;

	if (fd < 0)
		return complain(EXIT_IO, "could not open %s: %s", path, strerror(errno));
	code = read_all(fd, buf, size, len);
	if (code == EXIT_IO)
		complain(code, "could not read %s: %s", standard ? "standard input" : path, strerror(errno));
	else if (code == EXIT_REFUSED)
		complain(code, "%s is longer than %zu bytes", standard ? "standard input" : path, size);
	if (!standard)
		close(fd);
	return code;
}

/* One line from fd without its newline, byte by byte: what follows is not ours. */
static int
read_line(Passphrase *pw, int fd)
{
	pw->len = 0;
	for (;;)
	{
		char		c;
		ssize_t		n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR && !interrupted)
			continue;
		if (n < 0)
			return EXIT_IO;
		if (n == 0 || c == '\n')
			break;
		if (pw->len == PASSPHRASE_MAX)
			return EXIT_REFUSED;
		pw->text[pw->len++] = c;
	}
	pw->text[pw->len] = '\0';
	return EXIT_DONE;
}

/*
 * One line from the terminal, echo off if secret.  A signal meanwhile leaves
 * the terminal as it was and counts as a refusal.
 */
static int
prompt_line(Passphrase *pw, const char *prompt, bool secret)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction saved[5];
	struct sigaction act;
	struct termios old;
	struct termios quiet;
	int			tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int			code = EXIT_IO;
	int			i;

	if (tty < 0 || tcgetattr(tty, &old) != 0)
	{
		if (tty >= 0)
			close(tty);
		return complain(EXIT_IO, "there is no terminal to ask on (see --help for --yes and --passphrase-fd)");
	}
	memset(&act, 0, sizeof(act));
	act.sa_handler = on_signal;
	for (i = 0; i < 5; i++)
		(void) sigaction(signals[i], &act, &saved[i]);
	quiet = old;
	if (secret)
		quiet.c_lflag &= ~(tcflag_t) ECHO;
	/* Echo goes off first: what was typed ahead is thrown away, what follows the prompt is not. */
	if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0)
	{
		if (write(tty, prompt, strlen(prompt)) >= 0)
			code = read_line(pw, tty);
		(void) tcsetattr(tty, TCSAFLUSH, &old);
		if (secret && write(tty, "\n", 1) < 0)
			code = EXIT_IO;
	}
	for (i = 0; i < 5; i++)
		(void) sigaction(signals[i], &saved[i], NULL);
	close(tty);
	if (interrupted)
		return complain(EXIT_REFUSED, "interrupted");
	return code == EXIT_DONE ? code : complain(code, "could not read from the terminal");
}

/*
 * ask_passphrase
 *		A passphrase from descriptor fd, or from the terminal where fd is -1;
 *		asked for twice where again is given.
 */
int
ask_passphrase(Passphrase *pw, int fd, const char *prompt, const char *again)
{
	Passphrase *second;
	int			code;

	if (fd >= 0)
	{
		code = read_line(pw, fd);
		if (code != EXIT_DONE)
			return complain(code, "could not read the passphrase from descriptor %d", fd);
	}
	else if ((code = prompt_line(pw, prompt, true)) != EXIT_DONE)
		return code;
	if (pw->len == 0)
		return complain(EXIT_REFUSED, "the passphrase is empty");
	if (fd >= 0 || again == NULL)
		return EXIT_DONE;

	second = sodium_malloc(sizeof(*second));
	if (second == NULL)
		return complain(EXIT_IO, "out of memory");
	code = prompt_line(second, again, true);
	if (code == EXIT_DONE && (pw->len != second->len || sodium_memcmp(pw->text, second->text, pw->len) != 0))
		code = complain(EXIT_REFUSED, "the two passphrases differ");
	sodium_free(second);
	return code;
}

/*
 * ask_yes
 *		Puts a question on the terminal; only "yes" is yes.
 */
int
ask_yes(const char *question)
{
	Passphrase	answer;
	int			code = prompt_line(&answer, question, false);

	if (code != EXIT_DONE)
		return code;
	return strcmp(answer.text, "yes") == 0 ? EXIT_DONE : complain(EXIT_REFUSED, "not signed");
}
