/*-------------------------------------------------------------------------
 *
 * shape_test.c
 *		The shape of statements: no constant and no comment is left.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/shape.h"
#include "tap.h"

static const struct
{
	const char *sql;
	const char *shape;
}			cases[] =
{
	{"SELECT * FROM t WHERE email = 'jo@example.com'", "SELECT * FROM t WHERE email = ?"},
	{"SELECT 'it''s', E'a\\'b', b'01', X'ff', N'n', U&'\\0041'", "SELECT ?"},
	{"SELECT $$jo@example.com$$, $a$ $$ $b$ $a$, $1", "SELECT ?, $1"},
	{"SELECT a$b$c FROM t", "SELECT a$b$c FROM t"},
	{"SELECT 1, 2.5, .5, 1e-5, 0xff, 1_000 FROM t2", "SELECT ? FROM t2"},
	{"SELECT a -- jo@example.com\nFROM /* x /* jo@example.com */ y */ t", "SELECT a FROM t"},
	{"SELECT a -- jo@example.com", "SELECT a"},
	{"SELECT a /* never ended jo@example.com", "SELECT a"},
	{"SELECT 'never ended jo@example.com", "SELECT ?"},
	{"SELECT $x$ never ended jo@example.com", "SELECT ?"},
	{"SELECT 1 AS \"Name\", \"a b\", \"jo@example.com\", \"never@ended", "SELECT ? AS \"Name\", \"?\", \"?\", \"?\""},
	{"SELECT jo@example.com", "SELECT ?"},
	{"SELECT a.jo.do-e+x@mail.example-one.com FROM t", "SELECT ? FROM t"},
	{"SELECT 12@example.com FROM t", "SELECT ? FROM t"},
	{"SELECT a @> b, @ c, d<@e", "SELECT a @> b, @ c, d<@e"},
	{"SELECT a  IN\t( 1,2 ,3,\n4)", "SELECT a IN ( ?)"},
	{"VALUES ('a',1),('b',2)", "VALUES (?),(?)"},
	{"SELECT t.a[1:2], -1", "SELECT t.a[?:?], -?"},
	{"SELECT 'a'\n'jo@example.com'", "SELECT ?"},
	{"SELECT u&\"d\\0061\" FROM t", "SELECT ? FROM t"},
	{"  \n SELECT a ;  ", "SELECT a ;"},
	{"SELECT 1..2", "SELECT ?.?"},
	{"", ""},
	{"SELECT gr\xc3\xbc\xc3\x9f" "e FROM t", "SELECT gr\xc3\xbc\xc3\x9f" "e FROM t"},
};

static void
test_cases(void)
{
	char		out[LG_SHAPE_BYTES];
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		len = lg_shape_make(out, sizeof(out), cases[i].sql, strlen(cases[i].sql), false);

		if (!tap_ok(strcmp(out, cases[i].shape) == 0 && len == strlen(out), "%s", cases[i].sql))
			printf("# is %s\n", out);
	}
}

static void
test_backslashes(void)
{
	const char *sql = "SELECT 'a\\' jo@example.com', b";
	char		out[LG_SHAPE_BYTES];

	lg_shape_make(out, sizeof(out), sql, strlen(sql), true);
	tap_ok(strcmp(out, "SELECT ?, b") == 0, "escapes in ordinary strings");
	lg_shape_make(out, sizeof(out), sql, strlen(sql), false);
	tap_ok(strstr(out, "jo") == NULL, "an address behind a misread string goes as well");
}

/* Every length of input and of output: no overrun, no half character. */
static void
test_lengths(void)
{
	const char *sql = "SELECT \"\xc3\xbc\", 'x', \xc3\xbc\xc3\xbc FROM t /* c */ WHERE a = $q$jo@example.com$q$ AND x@y.z";
	size_t		len = strlen(sql);
	bool		fits = true;
	bool		whole = true;
	bool		silent = true;
	size_t		in;
	size_t		room;

	for (in = 0; in <= len; in++)
	{
		char	   *copy = malloc(in + 1);

		memcpy(copy, sql, in);
		for (room = 1; room < 100; room++)
		{
			char	   *out = malloc(room);
			size_t		n = lg_shape_make(out, room, copy, in, false);

			fits = fits && n < room && out[n] == '\0' && strlen(out) == n;
			silent = silent && strstr(out, "example") == NULL;
			if (in == len)
				whole = whole && (n == 0 || (unsigned char) out[n - 1] != 0xc3);
			free(out);
		}
		free(copy);
	}
	tap_ok(fits, "the shape fits and ends in NUL");
	tap_ok(silent, "no part of the address shows, wherever input or output end");
	tap_ok(whole, "no character is cut in two");
}

int
main(void)
{
	test_cases();
	test_backslashes();
	test_lengths();
	return tap_done();
}
