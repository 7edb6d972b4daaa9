-- PostgreSQL calls bytes "bytea"; with this domain the other migrations are one text for both engines.
CREATE DOMAIN blob AS bytea;
