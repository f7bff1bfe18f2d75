# listguard: build with PGXS (make, make install), test with make check, see it with make demo.
EXTENSION    = listguard
MODULE_big   = listguard
EXTVERSION  := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" listguard.control)
OBJS         = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built   = sql/listguard--$(EXTVERSION).sql
DATA         = $(filter-out $(DATA_built),$(wildcard sql/listguard--*.sql))
PG_CPPFLAGS  = -I$(srcdir)/src
SHLIB_LINK   = -lsodium -lcrypto -ljansson
REGRESS      = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
EXTRA_CLEAN  = $(DATA_built) results output_iso tmp_check tmp_check_sql test/unit/bin

# These bring their own server and install what is missing: they must run
# where there is no PGXS yet.
SCRIPTED     = check demo matrix bootstrap check-layout bench-lists bench-seal fuzz valgrind sanitize
.PHONY: $(SCRIPTED)

ifeq ($(filter $(SCRIPTED),$(MAKECMDGOALS)),)

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error no PGXS: install the server's development files (make bootstrap) or set PG_CONFIG)
endif
include $(PGXS)

# PGXS follows no includes: any header rebuilds all.
$(OBJS): $(wildcard src/*.h src/*/*.h)

sql/listguard--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql))
	cat $^ /dev/null > $@

else

# make check [CHECK_SUITES="unit regress"]: every test, or some.
check:
	@CHECK_SUITES="$(CHECK_SUITES)" test/tools/check

# make demo [LIST=file.csv] [KEEP=1]: what it does, on a real list.
demo:
	@LIST="$(LIST)" LIST_EMAIL="$(LIST_EMAIL)" LIST_NAME="$(LIST_NAME)" LIST_LIST="$(LIST_LIST)" KEEP="$(KEEP)" test/tools/demo

# make matrix [PG="18 19"]: the tests on other PostgreSQL majors, in chroots.
matrix:
	@test/tools/bootstrap matrix
	@CHECK_SUITES="$(CHECK_SUITES)" test/tools/matrix $(PG)

# make bootstrap: install what a build and the tests need.
bootstrap:
	@test/tools/bootstrap check

# make fuzz [LG_FUZZ_SECONDS=600] [FUZZ="equal address"]: every fuzzer, for so long each.
fuzz:
	@test/tools/fuzz $(FUZZ)

# make valgrind, make sanitize [SQL="types domain"]: SQL tests on a server that looks for faults.
valgrind sanitize:
	@test/tools/instrumented $@ $(SQL)

# make bench-lists [LISTS=n MANY=n]: what holding many lists costs a look-up.
bench-lists:
	@LISTS="$(LISTS)" MANY="$(MANY)" test/bench/lists_bench

# make bench-seal [BENCH_ROWS=200000] [BENCH_ROUNDS=7]: what sealing costs beside plain text.
bench-seal:
	@test/bench/seal_bench

check-layout:
	@test/tools/check-layout

endif
