-- Search by words, as BM25 needs it: the parts of identifiers beside the whole, how often a word stands in a text, and in
-- how many texts of a project.

-- The lexemes of a text: those of the English configuration and, of identifiers, paths and addresses, the parts and the
-- whole. A tsvector holds at most 1 MiB, so of a text that overflows it only the beginning is indexed.
CREATE OR REPLACE FUNCTION knowledge_lexemes(content text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    lexemes tsvector;
    wholes  text[];
    parts   text;
BEGIN
    -- Joined by dots, slashes, underscores, colons or at signs, or written in camel case. Hyphenated words are taken
    -- apart by the parser itself.
    SELECT array_agg(DISTINCT lower(compound[1])), string_agg(compound[1], ' ') INTO wholes, parts
    FROM regexp_matches(left(content, 100000),
             '[[:alnum:]]+(?:(?:[._/\\@]|:+)[[:alnum:]]+)+|[[:alnum:]]*[[:lower:]][[:upper:]][[:alnum:]]*', 'g')
         AS compound
    WHERE length(compound[1]) <= 200;
    BEGIN
        lexemes := to_tsvector('pg_catalog.english', content);
        IF wholes IS NULL THEN
            RETURN lexemes;
        END IF;
        parts := regexp_replace(parts, '[^[:alnum:]]+', ' ', 'g');
        parts := regexp_replace(parts, '([[:lower:]])([[:upper:]])', '\1 \2', 'g');
        parts := regexp_replace(parts, '([[:upper:]])([[:upper:]][[:lower:]])', '\1 \2', 'g');
        -- Without positions: a part counts once, and not again where the text has it as a word.
        RETURN lexemes || array_to_tsvector(ARRAY(
            SELECT word FROM unnest(wholes || tsvector_to_array(to_tsvector('pg_catalog.english', parts))) AS word
            WHERE length(word) > 1 AND word !~ '^[0-9.]+$'));
    EXCEPTION WHEN program_limit_exceeded THEN
        RETURN to_tsvector('pg_catalog.english', left(content, 100000));
    END;
END
$$;

-- How often each lexeme stands in the text, five bytes each: the first four of its SHA-256, and its count up to 255.
CREATE FUNCTION knowledge_frequencies(lexemes tsvector) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN (SELECT coalesce(string_agg(
                substring(sha256(convert_to(lexeme, 'UTF8')) FOR 4)
                    || set_byte('\x00', 0, least(greatest(cardinality(positions), 1), 255)), ''), '')
            FROM unnest(lexemes));

-- A lexeme that no text has, by which the full-text index knows the project.
CREATE FUNCTION knowledge_project_lexeme(project text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN chr(31) || left(encode(sha256(convert_to(project, 'UTF8')), 'hex'), 16);

-- Vectors and words are read with nearly every candidate of a search. Kept in the row, up to two rows a page, that takes a
-- fraction of what looking them up in the table of large values does.
ALTER TABLE agent_knowledge ALTER COLUMN embedding SET STORAGE MAIN;
ALTER TABLE agent_knowledge SET (toast_tuple_target = 3400);

-- Filled by a trigger from here on, both from one reading of the text.
ALTER TABLE agent_knowledge ALTER COLUMN lexemes DROP EXPRESSION;
ALTER TABLE agent_knowledge ADD COLUMN frequencies bytea;
ALTER TABLE agent_knowledge
    -- The signs of a vector's components: how many of them differ says roughly how far apart two vectors are.
    ADD COLUMN signature bit varying GENERATED ALWAYS AS (binary_quantize(embedding)) STORED,
    ALTER COLUMN lexemes TYPE tsvector
        USING knowledge_lexemes(content) || array_to_tsvector(ARRAY[knowledge_project_lexeme(project)]),
    ALTER COLUMN frequencies TYPE bytea USING knowledge_frequencies(knowledge_lexemes(content));

CREATE FUNCTION agent_knowledge_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.lexemes := knowledge_lexemes(NEW.content);
    NEW.frequencies := knowledge_frequencies(NEW.lexemes);
    NEW.lexemes := NEW.lexemes || array_to_tsvector(ARRAY[knowledge_project_lexeme(NEW.project)]);
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_knowledge_words
    BEFORE INSERT OR UPDATE OF content, project, lexemes, frequencies ON agent_knowledge
    FOR EACH ROW EXECUTE FUNCTION agent_knowledge_words();

-- In how many entries of a project a lexeme stands, and what the project holds in all.
CREATE TABLE knowledge_words (
    word    text COLLATE "C" NOT NULL,
    project text NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (word, project)
)
WITH (fillfactor = 80);
CREATE TABLE knowledge_sizes (
    project text PRIMARY KEY,
    entries bigint NOT NULL,
    -- Of all its texts, each as often as it stands there.
    words   bigint NOT NULL
)
WITH (fillfactor = 50);
-- What was written since it was last counted. Writers only add a row here, so they never wait for each other.
CREATE TABLE knowledge_uncounted (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    sign    smallint NOT NULL CHECK (sign IN (-1, 1)),
    lexemes tsvector NOT NULL
);
CREATE INDEX knowledge_uncounted_project ON knowledge_uncounted (project, id);

CREATE FUNCTION agent_knowledge_uncounted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO knowledge_uncounted (project, sign, lexemes)
            VALUES (OLD.project, -1, coalesce(OLD.lexemes, ''));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO knowledge_uncounted (project, sign, lexemes)
            VALUES (NEW.project, 1, coalesce(NEW.lexemes, ''));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_uncounted AFTER INSERT OR DELETE OR UPDATE OF content, project ON agent_knowledge
    FOR EACH ROW EXECUTE FUNCTION agent_knowledge_uncounted();

-- Counts up to max_changes of what was written, and says how many were counted; 0 also while somebody else counts.
CREATE FUNCTION count_knowledge_words(max_changes integer) RETURNS bigint
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
        RETURNING project, sign, lexemes
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
-- Few words are in no entry any more, and they are found without looking at the others.
CREATE INDEX knowledge_words_gone ON knowledge_words (word) WHERE entries <= 0;

-- Counts everything anew. Nobody can write meanwhile.
CREATE FUNCTION recount_knowledge_words() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE agent_knowledge IN SHARE MODE;
    TRUNCATE knowledge_words, knowledge_sizes, knowledge_uncounted;
    INSERT INTO knowledge_words (word, project, entries)
    SELECT lexeme, k.project, count(*) FROM agent_knowledge AS k, unnest(k.lexemes)
    WHERE lexeme NOT LIKE chr(31) || '%' GROUP BY lexeme, k.project;
    INSERT INTO knowledge_sizes (project, entries, words)
    SELECT project, count(*), coalesce(sum((
               SELECT sum(greatest(cardinality(positions), 1)) FROM unnest(k.lexemes)
               WHERE lexeme NOT LIKE chr(31) || '%')), 0)
    FROM agent_knowledge AS k GROUP BY project;
END
$$;
SELECT recount_knowledge_words();

-- TRUNCATE fires no row trigger.
CREATE FUNCTION agent_knowledge_none_left() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    TRUNCATE knowledge_words, knowledge_sizes, knowledge_uncounted;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_knowledge_none_left AFTER TRUNCATE ON agent_knowledge
    FOR EACH STATEMENT EXECUTE FUNCTION agent_knowledge_none_left();
