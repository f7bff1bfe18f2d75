/* zz_local.c local test only */
#include "compat.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "row/road.h"
#include "guc.h"
#include "key/keyring.h"
#include "policy/registry.h"
#include "listguard.h"
static int fake_road = 1;
LgRoad lg_road_current(void){return fake_road;}
bool lg_session_is_dump(void){return false;}
int lg_output_mode(void){return lg_output;}
void lg_meter_reveal(int32 n){ elog(NOTICE,"reveal"); }
PG_FUNCTION_INFO_V1(listguard_test_road);
Datum listguard_test_road(PG_FUNCTION_ARGS){fake_road=PG_GETARG_INT32(0); PG_RETURN_VOID();}
PG_FUNCTION_INFO_V1(listguard_test_keyset);
Datum listguard_test_keyset(PG_FUNCTION_ARGS){lg_keyset_ensure(); PG_RETURN_VOID();}
PG_FUNCTION_INFO_V1(listguard_test_list);
Datum listguard_test_list(PG_FUNCTION_ARGS){PG_RETURN_INT32(lg_list_create(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_ARGISNULL(1)?NULL:text_to_cstring(PG_GETARG_TEXT_PP(1))));}
PG_FUNCTION_INFO_V1(listguard_test_internal);
Datum listguard_test_internal(PG_FUNCTION_ARGS){ if (PG_GETARG_BOOL(0)) lg_internal_enter(); else lg_internal_leave(); PG_RETURN_VOID();}
