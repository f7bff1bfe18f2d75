-- a materialised view
CREATE MATERIALIZED VIEW loot.taken AS SELECT email::text AS email FROM @TABLE@;
SELECT * FROM loot.taken;
DROP MATERIALIZED VIEW loot.taken;
