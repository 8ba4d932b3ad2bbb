-- Searching by meaning where a filter leaves some thousand entries of many, and how good searches are.

-- Read without the table: what a search of one project needs to know of an entry.
CREATE INDEX agent_knowledge_signatures ON agent_knowledge (project, embedding_model)
    INCLUDE (id, signature, superseded_by, quarantined_at, expires_at);

-- Questions that were asked, asked again by looking at everything: how many of the best ten were found.
CREATE TABLE knowledge_recall (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    measured_at timestamptz NOT NULL DEFAULT now(),
    mode        text NOT NULL CHECK (mode IN ('vector', 'text', 'hybrid')),
    found       integer NOT NULL CHECK (found >= 0),
    wanted      integer NOT NULL CHECK (wanted >= found AND wanted > 0),
    -- How long it took to look at everything.
    exact_ms    double precision NOT NULL
);
