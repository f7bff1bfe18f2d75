-- INSERT INTO own table, RETURNING
CREATE TABLE loot.taken (email text);
INSERT INTO loot.taken SELECT email::text FROM @TABLE@ RETURNING email;
SELECT * FROM loot.taken;
DROP TABLE loot.taken;
