-- What documents are made of. A text may stand in several documents of a project, and is one entry of knowledge there.

CREATE TABLE document_chunks (
    document_id  bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    position     integer NOT NULL CHECK (position >= 0),
    -- Of agent_knowledge. Kept by the triggers below: a foreign key would keep people from truncating that table.
    knowledge_id bigint NOT NULL,
    heading      text,
    first_line   integer NOT NULL CHECK (first_line > 0),
    last_line    integer NOT NULL CHECK (last_line >= first_line),
    PRIMARY KEY (document_id, position)
);
CREATE INDEX document_chunks_knowledge ON document_chunks (knowledge_id);

-- An entry that somebody deletes is gone from its documents, too.
CREATE FUNCTION agent_knowledge_forget_chunks() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE document_chunks;
    ELSE
        DELETE FROM document_chunks WHERE knowledge_id IN (SELECT id FROM gone);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_chunks_deleted AFTER DELETE ON agent_knowledge
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION agent_knowledge_forget_chunks();
CREATE TRIGGER agent_knowledge_chunks_truncated AFTER TRUNCATE ON agent_knowledge
    FOR EACH STATEMENT EXECUTE FUNCTION agent_knowledge_forget_chunks();
