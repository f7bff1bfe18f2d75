/*-------------------------------------------------------------------------
 *
 * rootkey.h
 *		Where a root key comes from; internal to src/key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_ROOTKEY_H
#define LG_ROOTKEY_H

#include "common/value.h"

/*
 * Read a root key by the settings.  False after a LOG message that says why
 * not; out is then zeros.  Takes LG_ROOT_COMMAND_SECONDS at most.
 */
extern bool lg_rootsource_read(uint8_t out[LG_KEY_BYTES], const char *file, const char *command);

/*
 * Copies the root named (NULL: the current one) to out; false if it is not
 * loaded.  Neither waits nor raises.  The caller wipes out.
 */
extern bool lg_rootkey_find(uint8_t out[LG_KEY_BYTES], const uint8_t *root_id);

#define LG_ROOT_COMMAND_SECONDS	30

#endif							/* LG_ROOTKEY_H */
