/*-------------------------------------------------------------------------
 *
 * keyrow.h
 *		Rows of the key tables; internal to src/key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_KEYROW_H
#define LG_KEYROW_H

#include "compat.h"

#include "common/value.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* Attribute numbers, as sql/install/10_catalog.sql makes the tables. */
#define Anum_lg_keyset_id			2
#define Anum_lg_index_key_epoch		1
#define Anum_lg_index_key_wrapped	2
#define Anum_lg_key_key_id			1
#define Anum_lg_key_list_no			2
#define Anum_lg_key_wrapped			3
#define Anum_lg_list_list_no		1
#define Anum_lg_list_relation		2

/* One row of listguard.key, or that there is none. */
typedef struct LgKeyRow
{
	uint32		key_id;			/* hash key */
	bool		exists;
	bool		shredded;		/* the row is there, the key is not */
	int32		list_no;
	uint8		wrapped[LG_WRAPPED_BYTES];
} LgKeyRow;

extern Relation lg_key_table_open(const char *name);
extern Snapshot lg_key_snapshot(Relation rel);
extern void lg_key_snapshot_done(Snapshot snapshot);
extern bool lg_wrapped_from_datum(uint8 out[LG_WRAPPED_BYTES], Datum value);

extern void lg_key_row_read(LgKeyRow *row, uint32 key_id);
extern bool lg_keyset_row_read(const char *table, uint8 out[LG_KEYSET_BYTES]);
extern int	lg_index_row_read(uint8 out[LG_WRAPPED_BYTES]);
extern int32 lg_default_list_read(void);

/* keyring.c */
extern void lg_key_no_keyset(void);
extern void lg_key_unwrap_or_fail(uint8 key[LG_KEY_BYTES], const LgWrapContext *ctx,
								  const uint8 wrapped[LG_WRAPPED_BYTES]);

#endif							/* LG_KEYROW_H */
