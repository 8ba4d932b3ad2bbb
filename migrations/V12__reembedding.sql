-- Moving the whole store to another model while it is used: the new vectors are collected in columns of their own, beside
-- the old ones, with an index of their own. Then the columns exchange their names, which takes milliseconds.
--
-- SQLSTATE AT020: vectors of a model that the store has left.

ALTER TABLE embedding_models
    -- When the store moved to another model; no vectors of this one are taken since.
    ADD COLUMN left_at timestamptz CHECK (left_at IS NULL OR NOT is_default);

-- Vectors are the first to leave the row, and pages keep some room. So the update that counts how often an entry was found
-- stays within its page: otherwise each of them adds the entry to every index anew, the vectors' above all.
ALTER TABLE agent_knowledge SET (toast_tuple_target = 1500, fillfactor = 80);
ALTER TABLE agent_knowledge ALTER COLUMN embedding SET STORAGE EXTERNAL;

ALTER TABLE agent_knowledge
    -- While a move is under way, what the new model makes of the text; after it, what the old one made.
    ADD COLUMN next_embedding vector,
    ADD COLUMN next_embedding_model text REFERENCES embedding_models (name),
    ADD COLUMN next_signature bit varying GENERATED ALWAYS AS (binary_quantize(next_embedding)) STORED,
    ADD CHECK (next_embedding IS NULL OR next_embedding_model IS NOT NULL);
ALTER TABLE agent_knowledge ALTER COLUMN next_embedding SET STORAGE EXTERNAL;

-- The move that is under way, one at the most.
CREATE TABLE knowledge_reembedding (
    is_under_way boolean PRIMARY KEY DEFAULT true CHECK (is_under_way),
    model        text NOT NULL,
    dimensions   integer NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now()
);

-- Runs after agent_knowledge_complete, by its name.
CREATE FUNCTION agent_knowledge_moving() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.embedding IS NOT NULL
        AND EXISTS (SELECT FROM embedding_models WHERE name = NEW.embedding_model AND left_at IS NOT NULL)
    THEN
        RAISE EXCEPTION 'the store has moved from model % to another one', NEW.embedding_model
            USING ERRCODE = 'AT020', HINT = 'embed the text with the model that is_default in embedding_models';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        -- The other vector is of the old text.
        IF NEW.content IS DISTINCT FROM OLD.content THEN
            NEW.next_embedding := NULL;
            NEW.next_embedding_model := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_knowledge_moving BEFORE INSERT OR UPDATE OF content, embedding, embedding_model ON agent_knowledge
    FOR EACH ROW EXECUTE FUNCTION agent_knowledge_moving();

-- Exchanges the vectors of all entries for those of the model that the store moves to, and says whether it did: not when
-- more than so many have none yet. Those that have none are left without a vector. Also true when it has been done before.
CREATE FUNCTION switch_embedding_model(model_name text, max_missing integer) RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    missing     bigint[];
    left_model  text;
    of_columns  text[];
    definitions text[];
    statement   text;
BEGIN
    IF EXISTS (SELECT FROM embedding_models WHERE name = model_name AND is_default) THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM knowledge_reembedding WHERE model = model_name) THEN
        RAISE EXCEPTION 'no move to model % is under way', model_name USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    LOCK TABLE agent_knowledge IN ACCESS EXCLUSIVE MODE;
    -- The name is a literal, so that the index of what is missing serves.
    EXECUTE format('SELECT ARRAY(SELECT id FROM agent_knowledge
                                 WHERE next_embedding IS NULL OR next_embedding_model IS DISTINCT FROM %L LIMIT $1)',
                   model_name) INTO missing USING max_missing + 1;
    IF cardinality(missing) > max_missing THEN
        RETURN false;
    END IF;
    -- It may have one of a model before this one.
    UPDATE agent_knowledge SET next_embedding = NULL, next_embedding_model = NULL
    WHERE id = ANY (missing) AND next_embedding_model IS NOT NULL;
    -- Triggers and indexes follow a column, not its name. The triggers are made anew, for the names.
    SELECT array_agg(quote_ident(t.tgname)), array_agg(pg_get_triggerdef(t.oid)) INTO of_columns, definitions
    FROM pg_trigger AS t
    WHERE t.tgrelid = 'agent_knowledge'::regclass AND NOT t.tgisinternal AND EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
            AND a.attname IN ('embedding', 'embedding_model', 'signature',
                              'next_embedding', 'next_embedding_model', 'next_signature'));
    FOREACH statement IN ARRAY of_columns LOOP
        EXECUTE 'DROP TRIGGER ' || statement || ' ON agent_knowledge';
    END LOOP;
    ALTER TABLE agent_knowledge RENAME COLUMN embedding TO old_embedding;
    ALTER TABLE agent_knowledge RENAME COLUMN embedding_model TO old_embedding_model;
    ALTER TABLE agent_knowledge RENAME COLUMN signature TO old_signature;
    ALTER TABLE agent_knowledge RENAME COLUMN next_embedding TO embedding;
    ALTER TABLE agent_knowledge RENAME COLUMN next_embedding_model TO embedding_model;
    ALTER TABLE agent_knowledge RENAME COLUMN next_signature TO signature;
    ALTER TABLE agent_knowledge RENAME COLUMN old_embedding TO next_embedding;
    ALTER TABLE agent_knowledge RENAME COLUMN old_embedding_model TO next_embedding_model;
    ALTER TABLE agent_knowledge RENAME COLUMN old_signature TO next_signature;
    FOREACH statement IN ARRAY definitions LOOP
        EXECUTE statement;
    END LOOP;
    SELECT name INTO left_model FROM embedding_models WHERE is_default;
    IF FOUND THEN
        EXECUTE format('DROP INDEX IF EXISTS %I', embedding_index_name(left_model));
        UPDATE embedding_models SET is_default = false, left_at = now() WHERE name = left_model;
    END IF;
    EXECUTE format('ALTER INDEX agent_knowledge_next RENAME TO %I', embedding_index_name(model_name));
    DROP INDEX agent_knowledge_signatures;
    ALTER INDEX agent_knowledge_next_signatures RENAME TO agent_knowledge_signatures;
    DROP INDEX agent_knowledge_missing;
    UPDATE embedding_models SET is_default = true, left_at = NULL WHERE name = model_name;
    DELETE FROM knowledge_reembedding;
    -- Every answer is to be asked anew, and every process asks for the model.
    PERFORM pg_notify('agent_turbo_knowledge', '');
    RETURN true;
END
$$;

-- As before, and no vector of a move may be left either.
CREATE OR REPLACE FUNCTION forget_embedding_model(model_name text) RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE embedding_models IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM agent_knowledge WHERE embedding_model = model_name)
        OR EXISTS (SELECT FROM agent_knowledge WHERE next_embedding_model = model_name)
        OR EXISTS (SELECT FROM knowledge_reembedding WHERE model = model_name)
    THEN
        RETURN false;
    END IF;
    DELETE FROM embedding_models WHERE name = model_name;
    EXECUTE format('DROP INDEX IF EXISTS %I', embedding_index_name(model_name));
    RETURN true;
END
$$;
