-- Which entries have a word that stands in many of them, packed, so that a search by words need not read those entries.
-- What stands here is a hint: entries are scored by what they are when they are found.

-- Entries whose words are counted, and that are in no segment yet: many in a row, so that those that were taken away do not make
-- the table long for whoever looks at what is left.
CREATE TABLE knowledge_unposted (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entries bigint[] NOT NULL,
    amount  integer NOT NULL GENERATED ALWAYS AS (cardinality(entries)) STORED
);
-- Entries whose words were packed together: those with ids larger than base and up to last.
CREATE TABLE knowledge_segments (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entries integer NOT NULL CHECK (entries > 0),
    base    bigint NOT NULL,
    last    bigint NOT NULL CHECK (last > base)
);
CREATE TABLE knowledge_postings (
    -- The first four bytes of the word's SHA-256.
    word    integer NOT NULL,
    segment bigint NOT NULL,
    -- For each entry, in the order of ids: the distance from the entry before (from base for the first), seven bits a byte,
    -- the lowest first, the highest bit set while more follow; then how often the word stands there, up to 15, times 16, plus
    -- the class of the text's length.
    entries bytea NOT NULL,
    PRIMARY KEY (word, segment)
);
CREATE INDEX knowledge_postings_segment ON knowledge_postings (segment);
-- Packed already.
ALTER TABLE knowledge_postings ALTER COLUMN entries SET STORAGE EXTERNAL;

ALTER TABLE knowledge_uncounted ADD COLUMN entry bigint;

CREATE OR REPLACE FUNCTION agent_knowledge_uncounted() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO knowledge_uncounted (project, sign, lexemes)
            VALUES (OLD.project, -1, coalesce(OLD.lexemes, ''));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO knowledge_uncounted (project, sign, lexemes, entry)
            VALUES (NEW.project, 1, coalesce(NEW.lexemes, ''), NEW.id);
    END IF;
    RETURN NULL;
END
$$;

-- As in V8; entries that were counted go on to be packed.
CREATE OR REPLACE FUNCTION count_knowledge_words(max_changes integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    counted bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('agent_turbo words ' || 'knowledge_words'::regclass::oid, 0)) THEN
        RETURN 0;
    END IF;
    -- Counting again after a power failure is cheaper than a flush to disk that writers have to wait for.
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH taken AS (
        DELETE FROM knowledge_uncounted
        WHERE id IN (SELECT id FROM knowledge_uncounted ORDER BY id LIMIT max_changes)
        RETURNING project, sign, lexemes, entry
    ), passed_on AS (
        INSERT INTO knowledge_unposted (entries)
        SELECT array_agg(DISTINCT entry) FROM taken WHERE entry IS NOT NULL HAVING count(*) > 0
    ), occurrences AS MATERIALIZED (
        SELECT taken.project, lexeme AS word, sign,
               CASE WHEN lexeme LIKE chr(31) || '%' THEN 0 ELSE greatest(cardinality(positions), 1) END AS times
        FROM taken, unnest(taken.lexemes)
    ), sized AS (
        INSERT INTO knowledge_sizes AS s (project, entries, words)
        SELECT project, sum(entries), sum(words)
        FROM (SELECT project, sign AS entries, 0 AS words FROM taken
              UNION ALL SELECT project, 0, sign * times FROM occurrences) AS changes
        GROUP BY project
        ON CONFLICT (project) DO UPDATE
            SET entries = s.entries + EXCLUDED.entries, words = s.words + EXCLUDED.words
        RETURNING 1
    ), worded AS (
        INSERT INTO knowledge_words AS w (word, project, entries)
        SELECT word, project, sum(sign) FROM occurrences WHERE times > 0
        GROUP BY word, project HAVING sum(sign) <> 0
        ON CONFLICT (word, project) DO UPDATE SET entries = w.entries + EXCLUDED.entries
        RETURNING w.word, w.project, w.entries
    )
    -- Reading all of it makes sure that all of it is done.
    SELECT count(*) INTO counted FROM taken
    WHERE (SELECT count(*) FROM sized) >= 0 AND (SELECT count(*) FROM worded) >= 0;
    IF counted > 0 THEN
        DELETE FROM knowledge_words WHERE entries <= 0;
        DELETE FROM knowledge_sizes WHERE entries <= 0;
    END IF;
    RETURN counted;
END
$$;

-- As in V8; everything is to be packed anew as well.
CREATE OR REPLACE FUNCTION recount_knowledge_words() RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE agent_knowledge IN SHARE MODE;
    TRUNCATE knowledge_words, knowledge_sizes, knowledge_uncounted,
             knowledge_unposted, knowledge_segments, knowledge_postings;
    INSERT INTO knowledge_words (word, project, entries)
    SELECT lexeme, k.project, count(*) FROM agent_knowledge AS k, unnest(k.lexemes)
    WHERE lexeme NOT LIKE chr(31) || '%' GROUP BY lexeme, k.project;
    INSERT INTO knowledge_sizes (project, entries, words)
    SELECT project, count(*), coalesce(sum((
               SELECT sum(greatest(cardinality(positions), 1)) FROM unnest(k.lexemes)
               WHERE lexeme NOT LIKE chr(31) || '%')), 0)
    FROM agent_knowledge AS k GROUP BY project;
    INSERT INTO knowledge_unposted (entries)
    SELECT array_agg(id) FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM agent_knowledge) AS parts
    GROUP BY part ORDER BY part;
END
$$;

CREATE OR REPLACE FUNCTION agent_knowledge_none_left() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    TRUNCATE knowledge_words, knowledge_sizes, knowledge_uncounted,
             knowledge_unposted, knowledge_segments, knowledge_postings;
    RETURN NULL;
END
$$;

-- Counting how often entries are found takes their pages off the visibility map, without which searches by signatures read the table
-- after all. Vacuum puts them back; up to so many it leaves the indexes alone.
ALTER TABLE agent_knowledge SET (autovacuum_vacuum_scale_factor = 0.005);

-- What is not counted yet was written without saying which entry it was: once for all.
INSERT INTO knowledge_unposted (entries)
SELECT array_agg(id) FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM agent_knowledge) AS parts
GROUP BY part ORDER BY part;
