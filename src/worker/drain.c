#include "compat.h"
#include "worker/workdb.h"
LgDrainResult lg_drain_batch(void) { return LG_DRAIN_IDLE; }
void lg_drain_partitions(void) {}
void lg_drain_find_databases(void) {}
void lg_drain_recycle(void) {}
