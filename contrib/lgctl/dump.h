/*-------------------------------------------------------------------------
 *
 * dump.h
 *		A plain-text dump of pg_dump, read for the rows of single tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LGCTL_DUMP_H
#define LGCTL_DUMP_H

#include <stdbool.h>
#include <stdio.h>

#define DUMP_COLUMNS	16		/* of a table that is looked for, at most */

/* One row: the fields by column; a NULL value is SQL's. */
typedef struct DumpRow
{
	const char *table;			/* without its schema */
	int			n;
	const char *names[DUMP_COLUMNS];	/* NULL: the statement does not name its columns */
	const char *values[DUMP_COLUMNS];
} DumpRow;

/* Each returns EXIT_DONE, or a code that ends the reading; both complain themselves. */
typedef struct DumpReader
{
	const char *prefix;			/* of the tables looked for: "listguard." */
	int			(*row) (void *arg, const DumpRow *row);
	int			(*database) (void *arg, const char *name);	/* what follows is of another database */
	void	   *arg;
} DumpReader;

extern int	dump_read(FILE *in, const char *path, const DumpReader *reader);

#endif							/* LGCTL_DUMP_H */
