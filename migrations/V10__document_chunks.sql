-- What documents are made of. A text may stand in several documents of a project, and is one entry of knowledge there.

-- Kept in step by the triggers below: foreign keys would keep people from truncating the tables that they refer to.
CREATE TABLE document_chunks (
    -- Of documents.
    document_id  bigint NOT NULL,
    position     integer NOT NULL CHECK (position >= 0),
    -- Of agent_knowledge.
    knowledge_id bigint NOT NULL,
    heading      text,
    first_line   integer NOT NULL CHECK (first_line > 0),
    last_line    integer NOT NULL CHECK (last_line >= first_line),
    PRIMARY KEY (document_id, position)
);
CREATE INDEX document_chunks_knowledge ON document_chunks (knowledge_id);

-- What somebody deletes is gone from here, too.
CREATE FUNCTION forget_chunks_of_documents() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM document_chunks WHERE document_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_chunks_deleted AFTER DELETE ON documents
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_chunks_of_documents();

CREATE FUNCTION forget_chunks_of_knowledge() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM document_chunks WHERE knowledge_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_chunks_deleted AFTER DELETE ON agent_knowledge
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_chunks_of_knowledge();

CREATE FUNCTION forget_all_chunks() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    TRUNCATE document_chunks;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_chunks_truncated AFTER TRUNCATE ON documents
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_chunks();
CREATE TRIGGER agent_knowledge_chunks_truncated AFTER TRUNCATE ON agent_knowledge
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_chunks();
