/*-------------------------------------------------------------------------
 *
 * lgctl.h
 *		What the files of the offline tool share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LGCTL_H
#define LGCTL_H

#include <stdio.h>

#include "common/paserk.h"

/* Exit codes, part of the interface: see lgctl --help. */
#define EXIT_DONE		0
#define EXIT_REFUSED	1
#define EXIT_USAGE		2
#define EXIT_IO			3

#define PASSPHRASE_MAX	1024	/* bytes */
#define INPUT_MAX		8192	/* bytes of claims or of a token, read from a file */

/* A secret in guarded, locked memory that is wiped when freed. */
typedef struct Passphrase
{
	size_t		len;
	char		text[PASSPHRASE_MAX + 1];
} Passphrase;

/* lgctl.c */
extern int	complain(int code, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern int	usage_error(const char *fmt,...) __attribute__((format(printf, 1, 2)));
extern const char *status_text(LgStatus st);

/* terminal.c */
extern void put_text(FILE *out, const char *text);
extern void put_quoted(FILE *out, const char *text);
extern int	read_input(char *buf, size_t size, size_t *len, const char *path);
extern int	ask_passphrase(Passphrase *pw, int fd, const char *prompt, const char *again);
extern int	ask_yes(const char *question);

/* keyfile.c */
#define KEY_TEXT_MAX	512		/* bytes of a key file */
extern int	keyfile_read(char *text, size_t *len, const char *path);
extern int	keyfile_create(const char *path, const uint8_t sk[LG_ED25519_SECRET], const Passphrase *pw);
extern int	keyfile_open(uint8_t sk[LG_ED25519_SECRET], const char *path, int passphrase_fd);

/* ticket.c */
extern int	ticket_sign(const char *key, const char *name, int64_t ttl, bool yes, int passphrase_fd, const char *source);
extern int	ticket_show(const char *token);
extern int	ticket_verify(const char *public_key, const char *at, const char *token);

/* root.c */
extern int	root_verify(const char *key, const char *path);

#endif							/* LGCTL_H */
