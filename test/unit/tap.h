/*-------------------------------------------------------------------------
 *
 * tap.h
 *		Test Anything Protocol for the unit tests: one line per test, the plan
 *		at the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int	tap_count = 0;
static int	tap_failures = 0;

/*
 * Reports one test; the format is its name, of which what is not printable
 * ASCII is shown as '?'.  Returns whether it passed.
 */
static bool __attribute__((format(printf, 2, 3)))
tap_ok(bool passed, const char *fmt,...)
{
	char		name[512];
	char	   *p;
	va_list		args;

	tap_count++;
	if (!passed)
		tap_failures++;
	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	for (p = name; *p != '\0'; p++)
	{
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	printf("%sok %d - %s\n", passed ? "" : "not ", tap_count, name);
	return passed;
}

/* Prints the plan; returns the exit code of the test program. */
static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures == 0 ? 0 : 1;
}

#endif							/* TAP_H */
