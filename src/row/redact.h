/* redact.h: see redact.c */
#ifndef LG_REDACT_H
#define LG_REDACT_H

#include "listguard.h"

extern void lg_redact(ErrorData *edata);

#endif							/* LG_REDACT_H */
