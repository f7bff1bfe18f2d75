/*-------------------------------------------------------------------------
 *
 * keyadmin.h
 *		What the functions for the administration of keys share; internal to
 *		src/key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_KEYADMIN_H
#define LG_KEYADMIN_H

#include "compat.h"

#include "common/value.h"

/* keyfn.c: 42501 unless superuser or member of listguard_admin */
extern void lg_key_require_admin(const char *function);

/* rotate.c */
typedef void (*LgKeyVisitor) (const LgWrapContext *ctx, const uint8 *wrapped, void *arg);

extern void lg_key_tables_lock(void);
extern void lg_keys_visit(uint8 kind, const uint8 keyset[LG_KEYSET_BYTES], LgKeyVisitor visit, void *arg);
extern const char *lg_key_describe(const LgWrapContext *ctx);
extern void lg_key_rewrap(uint8 out[LG_WRAPPED_BYTES], const LgWrapContext *ctx,
						  const uint8 wrapped[LG_WRAPPED_BYTES], const uint8 new_root[LG_KEY_BYTES]);

#endif							/* LG_KEYADMIN_H */
