/*-------------------------------------------------------------------------
 *
 * analyze.c
 *		Statistics of sealed columns: how many nulls, how wide, how many
 *		different tokens.  No value is stored, so that pg_stats shows none.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "commands/vacuum.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "type/type.h"

#define ROWS_PER_TARGET	300		/* as commands/analyze.c samples for a histogram */

/* What a sample has shown. */
typedef struct Sample
{
	int			rows;
	int			nulls;
	double		width;			/* of all that are not null, in bytes */
	uint8		(*tokens)[LG_TOKEN_BYTES];
	int			n_tokens;
} Sample;

static int
token_order(const void *a, const void *b)
{
	return memcmp(a, b, LG_TOKEN_BYTES);
}

/*
 * estimate_distinct
 *		How many different values has the column?  Sign and meaning as
 *		pg_statistic.stadistinct; 0 is unknown.
 *
 * Estimator "Duj1" of Haas and Stokes, IBM Research Report RJ 10025:
 * n d / (n - f1 + f1 n / N), with n values sampled out of N, d different ones,
 * f1 of them seen once.
 */
static double
estimate_distinct(Sample *sample, double total_rows)
{
	double		n = sample->n_tokens;
	double		total = total_rows * (1.0 - (double) sample->nulls / sample->rows);
	double		d = 0;
	double		f1 = 0;
	double		estimate;

	if (n == 0 || total <= 0)
		return 0;
	qsort(sample->tokens, sample->n_tokens, LG_TOKEN_BYTES, token_order);
	for (int i = 0, run; i < sample->n_tokens; i += run)
	{
		run = 1;
		while (i + run < sample->n_tokens && token_order(sample->tokens[i], sample->tokens[i + run]) == 0)
			run++;
		d++;
		if (run == 1)
			f1++;
	}
	if (f1 == n)
		return -1.0 * total / total_rows;
	estimate = floor(n * d / (n - f1 + f1 * n / total) + 0.5);
	estimate = Min(Max(estimate, d), total);
	return estimate > 0.1 * total_rows ? -estimate / total_rows : estimate;
}

static void
compute_stats(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc, int samplerows, double totalrows)
{
	Sample		sample;
	int			values;

	memset(&sample, 0, sizeof(sample));
	sample.rows = samplerows;
	sample.tokens = palloc((Size) Max(samplerows, 1) * LG_TOKEN_BYTES);
	for (int i = 0; i < samplerows; i++)
	{
		bool		isnull;
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		value = fetchfunc(stats, i, &isnull);
		if (isnull)
		{
			sample.nulls++;
			continue;
		}
		sample.width += VARSIZE_ANY(DatumGetPointer(value));
		if (lg_sealed_token(sample.tokens[sample.n_tokens], value))
			sample.n_tokens++;
	}
	if (samplerows > 0)
	{
		values = samplerows - sample.nulls;
		stats->stats_valid = true;
		stats->stanullfrac = (double) sample.nulls / samplerows;
		stats->stawidth = values > 0 ? (int32) (sample.width / values) : 0;
		stats->stadistinct = estimate_distinct(&sample, totalrows);
	}
	pfree(sample.tokens);
}

PG_FUNCTION_INFO_V1(listguard_sealed_analyze);

/*
 * listguard_sealed_analyze
 *		typanalyze of the three types.
 */
Datum
listguard_sealed_analyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);

	stats->compute_stats = compute_stats;
	stats->minrows = ROWS_PER_TARGET * default_statistics_target;
	PG_RETURN_BOOL(true);
}
