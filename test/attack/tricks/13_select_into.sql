-- SELECT INTO, read the copy
SELECT id, email::text AS email INTO loot.taken FROM @TABLE@;
SELECT * FROM loot.taken;
DROP TABLE loot.taken;
