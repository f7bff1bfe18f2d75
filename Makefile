# listguard: build with PGXS (make, make install), test with make check, see it with make demo.
EXTENSION    = listguard
MODULE_big   = listguard
EXTVERSION  := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" listguard.control)
OBJS         = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built   = sql/listguard--$(EXTVERSION).sql
DATA         = $(filter-out $(DATA_built),$(wildcard sql/listguard--*.sql))
PG_CPPFLAGS  = -I$(srcdir)/src
SHLIB_LINK   = -lsodium -lcrypto -ljansson
REGRESS_OPTS = --inputdir=test
EXTRA_CLEAN  = $(DATA_built) results output_iso tmp_check tmp_check_sql

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(PGXS),)
include $(PGXS)
endif

sql/listguard--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql))
	cat $^ > $@
