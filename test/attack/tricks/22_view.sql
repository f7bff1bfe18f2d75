-- a view of one's own
CREATE VIEW loot.v AS SELECT email::text AS email FROM @TABLE@;
SELECT * FROM loot.v;
DROP VIEW loot.v;
