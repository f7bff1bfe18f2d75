-- CREATE TABLE AS, read the copy
CREATE TABLE loot.taken AS SELECT email::text AS email FROM @TABLE@;
SELECT * FROM loot.taken;
DROP TABLE loot.taken;
