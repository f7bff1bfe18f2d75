/*-------------------------------------------------------------------------
 *
 * address_bench.c
 *		Time of parsing and normalising one address, as COPY does for each row.
 *
 * usage: address_bench [rounds]
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/normal.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static const struct
{
	const char *what;
	const char *text;
}			samples[] = {
	{"short ASCII", "jo@example.com"},
	{"usual ASCII", "Firstname.Lastname@mail.example.com"},
	{"long ASCII", "bounces+1234567-abcd-firstname.lastname=example.com@em1234.newsletter.example.com"},
	{"quoted ASCII", "\"jo doe\"@example.com"},
	{"A-label", "jo@xn--mnchen-3ya.de"},
	{"UTF-8", "j\xC3\xBCrgen@m\xC3\xBCnchen.de"}
};

int
main(int argc, char **argv)
{
	long		rounds = argc > 1 ? atol(argv[1]) : 2000000;

	for (size_t i = 0; i < COUNT(samples); i++)
	{
		char		out[LG_NORMAL_BOUND(LG_MAX_ADDRESS_BYTES)];
		size_t		len = strlen(samples[i].text);
		size_t		out_len = 0;
		size_t		domain_off;
		size_t		pos;
		const char *why;
		size_t		sum = 0;
		struct timespec t0;
		struct timespec t1;

		clock_gettime(CLOCK_MONOTONIC, &t0);
		for (long r = 0; r < rounds; r++)
		{
			if (lg_address_normal(out, sizeof(out), &out_len, &domain_off, samples[i].text, len, &pos, &why) != LG_OK)
				return 1;
			sum += out_len + (unsigned char) out[r % out_len];
		}
		clock_gettime(CLOCK_MONOTONIC, &t1);
		printf("%-14s %7.1f ns  (%zu bytes, check %zu)\n", samples[i].what,
			   ((double) (t1.tv_sec - t0.tv_sec) * 1e9 + (double) (t1.tv_nsec - t0.tv_nsec)) / (double) rounds, len, sum);
	}
	return 0;
}
