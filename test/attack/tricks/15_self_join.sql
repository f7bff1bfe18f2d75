-- a join with oneself
SELECT a.email, b.email FROM @TABLE@ a JOIN @TABLE@ b USING (id);
