/*-------------------------------------------------------------------------
 *
 * rfc3339.c
 *		Times of tickets: the strict part of RFC 3339 that we accept.
 *
 * No libc time functions: they read the environment's time zone, and what a
 * ticket means must not depend on it.  No locking: no state.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "common/token.h"

#define USEC_PER_SEC	INT64_C(1000000)
#define SECS_PER_DAY	INT64_C(86400)
/* 9999-12-31T23:59:59.999999Z and 1970-01-01T00:00:00Z. */
#define MAX_SECS		INT64_C(253402300799)

/*
 * Days from 1970-01-01 to the first day of a month, proleptic Gregorian.
 * Years are counted from March, so that the leap day is a year's last.
 */
static int64_t
days_to_month(int year, int month)
{
	int64_t		y = month > 2 ? year : year - 1;
	int64_t		m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 - 719468;
}

static int
days_in_month(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* A cursor over the text; ok turns false at the first fault and stays so. */
typedef struct Scan
{
	const char *p;
	const char *end;
	bool		ok;
} Scan;

static void
expect(Scan *s, char c)
{
	if (s->p < s->end && *s->p == c)
		s->p++;
	else
		s->ok = false;
}

/* Exactly n digits, with a value from lo to hi. */
static int
digits(Scan *s, int n, int lo, int hi)
{
	int			value = 0;

	for (; n > 0; n--)
	{
		if (s->p >= s->end || *s->p < '0' || *s->p > '9')
		{
			s->ok = false;
			return lo;
		}
		value = value * 10 + (*s->p++ - '0');
	}
	if (value < lo || value > hi)
	{
		s->ok = false;
		return lo;
	}
	return value;
}

/* Optional fraction of 1 to 9 digits, as microseconds; what is finer is cut. */
static int64_t
fraction(Scan *s)
{
	int64_t		usec = 0;
	int			n = 0;

	if (s->p >= s->end || *s->p != '.')
		return 0;
	s->p++;
	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, n++)
	{
		if (n < 6)
			usec = usec * 10 + (*s->p - '0');
	}
	if (n < 1 || n > 9)
		s->ok = false;
	for (; n < 6; n++)
		usec *= 10;
	return usec;
}

/* "Z" or a numeric offset, as seconds east of UTC. */
static int64_t
zone(Scan *s)
{
	int			sign;
	int			hours;
	int			minutes;

	if (s->p < s->end && *s->p == 'Z')
	{
		s->p++;
		return 0;
	}
	if (s->p >= s->end || (*s->p != '+' && *s->p != '-'))
	{
		s->ok = false;
		return 0;
	}
	sign = *s->p++ == '+' ? 1 : -1;
	hours = digits(s, 2, 0, 23);
	expect(s, ':');
	minutes = digits(s, 2, 0, 59);
	return sign * (hours * INT64_C(3600) + minutes * INT64_C(60));
}

/*
 * lg_rfc3339_parse
 *		Microseconds since 1970-01-01 UTC of a date-time (RFC 3339 section 5.6).
 *
 * Stricter than the RFC: T and Z in upper case, at most 9 digits of fraction,
 * no leap second, years 1970 to 9999 before and after the offset is taken off.
 * LG_ERR_SYNTAX otherwise, *usec then 0.
 */
LgStatus
lg_rfc3339_parse(int64_t *usec, const char *text, size_t len)
{
	Scan		s = {text, text + len, true};
	int			year,
				month,
				day;
	int64_t		secs;
	int64_t		frac;

	*usec = 0;
	year = digits(&s, 4, 1970, 9999);
	expect(&s, '-');
	month = digits(&s, 2, 1, 12);
	expect(&s, '-');
	day = digits(&s, 2, 1, days_in_month(year, month));
	expect(&s, 'T');
	secs = (days_to_month(year, month) + day - 1) * SECS_PER_DAY;
	secs += digits(&s, 2, 0, 23) * INT64_C(3600);
	expect(&s, ':');
	secs += digits(&s, 2, 0, 59) * INT64_C(60);
	expect(&s, ':');
	secs += digits(&s, 2, 0, 59);
	frac = fraction(&s);
	secs -= zone(&s);
	if (!s.ok || s.p != s.end || secs < 0 || secs > MAX_SECS)
		return LG_ERR_SYNTAX;
	*usec = secs * USEC_PER_SEC + frac;
	return LG_OK;
}

/*
 * lg_rfc3339_format
 *		"YYYY-MM-DDTHH:MM:SSZ" and a NUL; fractions of a second are cut.
 *
 * LG_ERR_SYNTAX outside the years 1970 to 9999, LG_ERR_SPACE below 21 bytes.
 */
LgStatus
lg_rfc3339_format(char *out, size_t out_size, int64_t usec)
{
	int64_t		secs = usec / USEC_PER_SEC;
	int64_t		days = secs / SECS_PER_DAY;
	int			rest = (int) (secs % SECS_PER_DAY);
	int			year;
	int			month = 1;

	if (usec < 0 || secs > MAX_SECS)
		return LG_ERR_SYNTAX;
	if (out_size < sizeof("YYYY-MM-DDTHH:MM:SSZ"))
		return LG_ERR_SPACE;

	/* The estimate is the year or one more; the loops below run rarely. */
	year = 1970 + (int) (days / 365);
	while (days_to_month(year, 1) > days)
		year--;
	while (month < 12 && days_to_month(year, month + 1) <= days)
		month++;
	(void) snprintf(out, out_size, "%04d-%02d-%02dT%02d:%02d:%02dZ",
					year % 10000, month, (int) (days - days_to_month(year, month) + 1) % 100,
					rest / 3600 % 100, rest / 60 % 60, rest % 60);
	return LG_OK;
}
