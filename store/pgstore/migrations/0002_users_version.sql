-- What other programs change gets a new version too, so that an import that has read the
-- user before cannot undo it.
BEGIN;

SELECT pg_advisory_xact_lock(hashtextextended('bulkops', 0));
INSERT INTO bulkops_users_migrations (version) VALUES (2);

CREATE FUNCTION bulkops_users_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.version := gen_random_uuid();
	RETURN NEW;
END
$$;

-- Imports set the version themselves, so the function is not called for them.
CREATE TRIGGER bulkops_users_version
BEFORE UPDATE ON bulkops_users
FOR EACH ROW
WHEN (NEW.version = OLD.version AND (NEW.email, NEW.custom_fields, NEW.metadata)
	IS DISTINCT FROM (OLD.email, OLD.custom_fields, OLD.metadata))
EXECUTE FUNCTION bulkops_users_version();

COMMIT;
