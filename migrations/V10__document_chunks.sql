-- What documents are made of. A text may stand in several documents of a project, and is one entry of knowledge there.

CREATE TABLE document_chunks (
    document_id  bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    position     integer NOT NULL CHECK (position >= 0),
    -- An entry that somebody deletes is gone from its documents, too.
    knowledge_id bigint NOT NULL REFERENCES agent_knowledge (id) ON DELETE CASCADE,
    heading      text,
    first_line   integer NOT NULL CHECK (first_line > 0),
    last_line    integer NOT NULL CHECK (last_line >= first_line),
    PRIMARY KEY (document_id, position)
);
CREATE INDEX document_chunks_knowledge ON document_chunks (knowledge_id);
