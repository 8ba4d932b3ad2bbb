-- The quality of what is known: how long it holds, what took its place, whether it can be trusted, and what it was before.

ALTER TABLE agent_knowledge
    -- From then on it is not found any more, and may be removed.
    ADD COLUMN expires_at        timestamptz,
    -- The entry that took its place.
    ADD COLUMN superseded_by     bigint REFERENCES agent_knowledge (id) ON DELETE SET NULL,
    -- Since when it waits for somebody's approval, and why.
    ADD COLUMN quarantined_at    timestamptz,
    ADD COLUMN quarantine_reason text;
-- What is due, for the clean-up.
CREATE INDEX agent_knowledge_expiring ON agent_knowledge (expires_at) WHERE expires_at IS NOT NULL;
-- Who deletes an entry asks for those that it superseded.
CREATE INDEX agent_knowledge_superseded ON agent_knowledge (superseded_by) WHERE superseded_by IS NOT NULL;

-- The one definition of an entry that is found. Planned as if it stood in the query itself.
CREATE FUNCTION knowledge_is_found(superseded_by bigint, quarantined_at timestamptz, expires_at timestamptz)
    RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN superseded_by IS NULL AND quarantined_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- Landing contexts see knowledge by this view, and show what is found only.
CREATE OR REPLACE VIEW chunks AS
    SELECT id, project AS source_project, 'agent_knowledge'::text AS source_table, content, content_hash, created_at
    FROM agent_knowledge WHERE knowledge_is_found(superseded_by, quarantined_at, expires_at);

-- What hides an entry changes answers as well.
DROP TRIGGER agent_knowledge_updated ON agent_knowledge;
CREATE TRIGGER agent_knowledge_updated
    AFTER UPDATE OF project, content, embedding, embedding_model, knowledge_type, category, tags, metadata, expires_at,
        superseded_by, quarantined_at
    ON agent_knowledge
    FOR EACH ROW EXECUTE FUNCTION agent_knowledge_notify();

-------------------------------------------------------------------------------------------------------- superseding

-- An entry is superseded within its project, and no chain comes back to where it began. Looked at when a statement is
-- over, so that one that moves a whole project may do so.
CREATE FUNCTION agent_knowledge_check_successor() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- One at a time: two that each close half of a circle would not see each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('agent_turbo supersede ' || NEW.project, 0));
    IF EXISTS (
        SELECT FROM agent_knowledge AS other
        WHERE (other.id = NEW.superseded_by OR other.superseded_by = NEW.id) AND other.project <> NEW.project
    ) THEN
        RAISE EXCEPTION 'an entry is superseded by one of its own project'
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        WITH RECURSIVE chain (id) AS (
            SELECT NEW.superseded_by
            UNION
            SELECT k.superseded_by FROM chain JOIN agent_knowledge AS k ON k.id = chain.id
        ) SELECT FROM chain WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'an entry is not superseded by what it superseded itself'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_inserted_as_superseded AFTER INSERT ON agent_knowledge
    FOR EACH ROW WHEN (NEW.superseded_by IS NOT NULL) EXECUTE FUNCTION agent_knowledge_check_successor();
CREATE TRIGGER agent_knowledge_superseded AFTER UPDATE OF superseded_by, project ON agent_knowledge
    FOR EACH ROW
    WHEN (NEW.superseded_by IS NOT NULL AND NEW.superseded_by IS DISTINCT FROM OLD.superseded_by
          OR NEW.project <> OLD.project)
    EXECUTE FUNCTION agent_knowledge_check_successor();

-- When an entry goes, those that it superseded are superseded by its successor. One that went because its time was over
-- leaves them out of date as well.
CREATE FUNCTION agent_knowledge_pass_on() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE agent_knowledge
        SET superseded_by = OLD.superseded_by,
            expires_at = CASE WHEN OLD.expires_at <= now() THEN least(expires_at, OLD.expires_at) ELSE expires_at END
        WHERE superseded_by = OLD.id;
    RETURN NULL;
END
$$;
-- Triggers fire in the order of their names. This one comes before RI_ConstraintTrigger_…, which would forget who was
-- superseded.
CREATE TRIGGER "Agent_knowledge_pass_on" AFTER DELETE ON agent_knowledge
    FOR EACH ROW WHEN (OLD.superseded_by IS NOT NULL OR OLD.expires_at IS NOT NULL)
    EXECUTE FUNCTION agent_knowledge_pass_on();

----------------------------------------------------------------------------------------------------------- versions

-- What entries were before they were changed, whoever changed them. Without a foreign key, which would forbid to
-- TRUNCATE agent_knowledge; triggers remove what belongs to no entry any more.
CREATE TABLE knowledge_versions (
    knowledge_id   bigint NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    content_hash   text COLLATE "C" NOT NULL,
    content        text NOT NULL,
    knowledge_type text NOT NULL,
    category       text,
    tags           text[] NOT NULL,
    metadata       jsonb NOT NULL,
    -- When the next version took its place.
    replaced_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (knowledge_id, version)
);
-- An entry is also known by the hashes that it had.
CREATE INDEX knowledge_versions_hash ON knowledge_versions (content_hash);

CREATE FUNCTION agent_knowledge_keep_version() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- The row's lock lets one writer at a time count.
    INSERT INTO knowledge_versions
            (knowledge_id, version, content_hash, content, knowledge_type, category, tags, metadata)
        SELECT OLD.id, coalesce(max(version), 0) + 1, OLD.content_hash, OLD.content, OLD.knowledge_type, OLD.category,
               OLD.tags, OLD.metadata
        FROM knowledge_versions WHERE knowledge_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_versioned
    AFTER UPDATE OF content, knowledge_type, category, tags, metadata ON agent_knowledge
    FOR EACH ROW
    WHEN ((OLD.content, OLD.knowledge_type, OLD.category, OLD.tags, OLD.metadata)
              IS DISTINCT FROM (NEW.content, NEW.knowledge_type, NEW.category, NEW.tags, NEW.metadata)
          -- Who takes a secret out of an entry must not leave it in a version.
          AND current_setting('agent_turbo.forget_version', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION agent_knowledge_keep_version();

CREATE FUNCTION agent_knowledge_forget_versions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE knowledge_versions;
    ELSE
        DELETE FROM knowledge_versions WHERE knowledge_id IN (SELECT id FROM gone);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_versions_deleted AFTER DELETE ON agent_knowledge
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION agent_knowledge_forget_versions();
CREATE TRIGGER agent_knowledge_versions_truncated AFTER TRUNCATE ON agent_knowledge
    FOR EACH STATEMENT EXECUTE FUNCTION agent_knowledge_forget_versions();
