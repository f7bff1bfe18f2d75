/*-------------------------------------------------------------------------
 *
 * value_bench.c
 *		Nanoseconds of CPU time per operation on one value.
 *
 * usage: value_bench [text length, default 25]
 *
 * Prints the median of 15 rounds.  CPU time, so that other work on the machine
 * disturbs less; still not a figure to compare across machines.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/aead.h"

#define ROUNDS		15
#define PER_ROUND	20000
#define MAX_TEXT	4096

typedef struct Job
{
	LgListKeys *keys;
	LgIndexKeys index;
	LgSealInput in;
	char		text[MAX_TEXT];
	uint8_t		token[LG_TOKEN_BYTES];
	uint8_t		value[MAX_TEXT + 128];
	size_t		size;
	char		opened[MAX_TEXT + 16];
	char		armour[2 * MAX_TEXT];
	uint8_t		keyset[LG_KEYSET_BYTES];
} Job;

typedef void (*Step) (Job *job, unsigned n);

static void
step_token(Job *job, unsigned n)
{
	memcpy(job->text, &n, sizeof(n));
	lg_token_make(job->token, job->index.email, LG_TYPE_EMAIL, job->text, job->in.text_len);
}

static void
step_seal(Job *job, unsigned n)
{
	memcpy(job->text, &n, sizeof(n));
	job->size = lg_value_sealed_size(&job->in);
	if (lg_value_seal(job->value, job->size, job->keys, &job->in) != LG_OK)
		abort();
}

static void
step_open(Job *job, unsigned n)
{
	LgValueView view;
	size_t		len;

	(void) n;
	if (lg_value_parse(&view, job->value, job->size) != LG_OK ||
		lg_value_open(job->opened, &len, job->keys, &view) != LG_OK)
		abort();
}

static void
step_armour(Job *job, unsigned n)
{
	(void) n;
	if (lg_armour_encode(job->armour, sizeof(job->armour), LG_ARMOUR_FULL, job->keyset,
						 job->value, job->size) != LG_OK)
		abort();
}

static void
step_unarmour(Job *job, unsigned n)
{
	uint8_t		out[2 * MAX_TEXT];
	uint8_t		keyset[LG_KEYSET_BYTES];
	size_t		len;

	(void) n;
	if (lg_armour_decode(out, &len, keyset, job->keyset, job->armour, strlen(job->armour)) != LG_OK)
		abort();
}

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int
double_cmp(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
measure(const char *what, Job *job, Step step)
{
	double		ns[ROUNDS];

	for (int r = 0; r < ROUNDS; r++)
	{
		double		start = cpu_ns();

		for (unsigned n = 0; n < PER_ROUND; n++)
			step(job, n);
		ns[r] = (cpu_ns() - start) / PER_ROUND;
	}
	qsort(ns, ROUNDS, sizeof(double), double_cmp);
	printf("%-40s %7.0f ns\n", what, ns[ROUNDS / 2]);
}

int
main(int argc, char **argv)
{
	static Job	job;
	uint8_t		key[LG_KEY_BYTES] = {1};
	void	   *p = NULL;

	if (lg_crypto_init() != LG_OK || posix_memalign(&p, 64, lg_list_keys_size()) != 0)
		return 1;
	job.keys = p;
	job.in.text_len = argc > 1 ? (size_t) atoi(argv[1]) : 25;
	if (job.in.text_len < 4 || job.in.text_len > MAX_TEXT ||
		lg_list_keys_derive(job.keys, key) != LG_OK)
		return 1;
	lg_index_keys_derive(&job.index, 1, key);
	memset(job.text, 'x', sizeof(job.text));
	job.in.type = LG_TYPE_EMAIL;
	job.in.token = job.token;
	job.in.text = job.text;

	printf("text of %zu bytes\n", job.in.text_len);
	measure("token", &job, step_token);
	for (int evp = 0; evp <= 1; evp++)
	{
		lg_crypto_force_evp(evp);
		job.in.alg = LG_ALG_AES256GCM;
		measure(evp ? "seal, AES-256-GCM by OpenSSL" : "seal, AES-256-GCM", &job, step_seal);
		measure(evp ? "open, AES-256-GCM by OpenSSL" : "open, AES-256-GCM", &job, step_open);
	}
	lg_crypto_force_evp(false);
	measure("armour", &job, step_armour);
	measure("armour back", &job, step_unarmour);
	job.in.alg = LG_ALG_XCHACHA20;
	measure("seal, XChaCha20-Poly1305", &job, step_seal);
	measure("open, XChaCha20-Poly1305", &job, step_open);
	return 0;
}
