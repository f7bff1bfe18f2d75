-- a prepared statement
PREPARE p AS SELECT email::text FROM @TABLE@ WHERE id > $1;
EXECUTE p(0);
