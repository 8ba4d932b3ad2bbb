-- The rules of sessions, tasks and the audit trail, kept by the database for every writer:
--   audit trail   append-only, hash-chained per session; each change of state writes its own action
--   tasks         state machine, leases, dependencies, one definition of "ready"
--   freshness     what a cached landing context is compared with, and who wants to hear of changes
--
-- Errors of these rules carry SQLSTATEs of class AT, by which programs tell them apart:
--   AT001 unknown task in dependencies   AT002 dependency cycle          AT003 final state
--   AT004 somebody else's live lease     AT005 append-only               AT006 not ready to be leased

------------------------------------------------------------------------------------------------------- audit trail

-- The head of each chain. A chain is a session's; an action without session belongs to its task's, else to ''.
CREATE TABLE action_chains (
    chain  text PRIMARY KEY,
    length bigint NOT NULL CHECK (length > 0),
    head   bytea NOT NULL,
    -- Whether the last action was given its id by whoever wrote it, who may write it again.
    id_was_given boolean NOT NULL DEFAULT false
)
-- Every action updates one row here in place.
WITH (fillfactor = 50);

-- What was removed from a chain's beginning, and why: without such a record nothing can be removed.
CREATE TABLE action_purges (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain            text NOT NULL,
    through_position bigint NOT NULL CHECK (through_position > 0),
    through_hash     bytea NOT NULL,
    removed          bigint NOT NULL,
    reason           text NOT NULL CHECK (reason <> ''),
    purged_by        text,
    purged_at        timestamptz NOT NULL DEFAULT now(),
    xid              xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX action_purges_chain ON action_purges (chain, through_position);

ALTER TABLE agent_actions
    -- Given by agent_actions_link, which so knows whether an id can be there already.
    ALTER COLUMN action_id DROP DEFAULT,
    ADD COLUMN chain_position bigint,
    ADD COLUMN chain_hash bytea;

-- What an action's link covers, independent of time zone and other settings of the connection.
CREATE FUNCTION action_digest(a agent_actions) RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(convert_to(ROW(
        a.action_id, a.session_id, a.task_id, a.project, a.action_type, a.action_description, a.input_data,
        a.output_data, a.success, a.error_message, a.execution_time_ms::numeric, a.changed_files,
        a.commands_executed, extract(epoch FROM a.executed_at))::text, 'UTF8'));
END
$$;

-- Puts an action at the end of its chain. The chain's row is locked until the transaction ends, so positions have no
-- gaps and follow the order of commits.
CREATE FUNCTION agent_actions_link() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    own_chain text := coalesce(NEW.session_id, NEW.task_id, '');
    given boolean := NEW.action_id IS NOT NULL;
    digest bytea;
BEGIN
    -- Programs that name every column may leave some of them NULL; the other triggers do not.
    IF pg_trigger_depth() = 1 THEN
        NEW.project := coalesce(NEW.project, 'default');
        NEW.success := coalesce(NEW.success, true);
        NEW.changed_files := coalesce(NEW.changed_files, '{}');
        NEW.commands_executed := coalesce(NEW.commands_executed, '{}');
        NEW.executed_at := coalesce(NEW.executed_at, now());
    END IF;
    IF given THEN
        -- A known id, which the insert will refuse or skip, must not move the head.
        IF EXISTS (SELECT FROM agent_actions WHERE action_id = NEW.action_id) THEN
            NEW.chain_position := 0;
            NEW.chain_hash := '';
            RETURN NEW;
        END IF;
    ELSE
        -- Milliseconds first, so that new ids stand together in the index.
        NEW.action_id := 'action_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || right(replace(gen_random_uuid()::text, '-', ''), 20);
    END IF;
    digest := action_digest(NEW);
    UPDATE action_chains AS c
        SET length = c.length + 1, head = sha256(c.head || int8send(c.length + 1) || digest), id_was_given = given
        WHERE c.chain = own_chain
        RETURNING c.length, c.head INTO NEW.chain_position, NEW.chain_hash;
    IF NOT FOUND THEN
        -- Two first actions at once: the second waits for the first here, and then follows it.
        INSERT INTO action_chains AS c (chain, length, head, id_was_given)
            VALUES (own_chain, 1, sha256(sha256(convert_to(own_chain, 'UTF8')) || int8send(1) || digest), given)
            ON CONFLICT (chain) DO UPDATE
            SET length = c.length + 1, head = sha256(c.head || int8send(c.length + 1) || digest), id_was_given = given
            RETURNING c.length, c.head INTO NEW.chain_position, NEW.chain_hash;
    END IF;
    RETURN NEW;
END
$$;

-- Actions that are there already are chained in the order in which they were written.
DO $$
DECLARE
    a agent_actions;
    own_chain text;
    before action_chains;
    link bytea;
BEGIN
    FOR a IN SELECT * FROM agent_actions ORDER BY id LOOP
        own_chain := coalesce(a.session_id, a.task_id, '');
        SELECT * INTO before FROM action_chains WHERE chain = own_chain;
        link := sha256(coalesce(before.head, sha256(convert_to(own_chain, 'UTF8')))
            || int8send(coalesce(before.length, 0) + 1) || action_digest(a));
        UPDATE agent_actions SET chain_position = coalesce(before.length, 0) + 1, chain_hash = link
            WHERE action_id = a.action_id;
        INSERT INTO action_chains (chain, length, head) VALUES (own_chain, 1, link)
            ON CONFLICT (chain) DO UPDATE SET length = action_chains.length + 1, head = EXCLUDED.head;
    END LOOP;
END
$$;
ALTER TABLE agent_actions ALTER COLUMN chain_position SET NOT NULL, ALTER COLUMN chain_hash SET NOT NULL;
CREATE UNIQUE INDEX agent_actions_chain ON agent_actions (coalesce(session_id, task_id, ''), chain_position);
DROP INDEX agent_actions_session;

CREATE TRIGGER agent_actions_link BEFORE INSERT ON agent_actions FOR EACH ROW EXECUTE FUNCTION agent_actions_link();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'AT005', HINT = 'purge_actions(chain, before, reason, by) removes old actions and says so';
END
$$;
CREATE TRIGGER agent_actions_no_update BEFORE UPDATE ON agent_actions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER agent_actions_no_truncate BEFORE TRUNCATE ON agent_actions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER action_purges_no_change BEFORE UPDATE OR DELETE ON action_purges
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER action_purges_no_truncate BEFORE TRUNCATE ON action_purges EXECUTE FUNCTION refuse_change();
-- Heads move by actions alone.
CREATE TRIGGER action_chains_no_change BEFORE INSERT OR UPDATE OR DELETE ON action_chains
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER action_chains_no_truncate BEFORE TRUNCATE ON action_chains EXECUTE FUNCTION refuse_change();

-- A head has its action, unless that was purged. Of two that write the same action at once, the second moves the head
-- before it can see the first, and ON CONFLICT may then skip its row: it is undone, and repeated it knows the action.
CREATE FUNCTION action_chains_check() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Under SET CONSTRAINTS … IMMEDIATE this runs while the row is still on its way.
    IF pg_trigger_depth() = 1
        AND NOT EXISTS (SELECT FROM agent_actions
                        WHERE coalesce(session_id, task_id, '') = NEW.chain AND chain_position = NEW.length)
        AND NOT EXISTS (SELECT FROM action_purges WHERE chain = NEW.chain AND through_position >= NEW.length)
    THEN
        RAISE EXCEPTION 'an action of chain "%" was written by somebody else at the same time', NEW.chain
            USING ERRCODE = 'serialization_failure', HINT = 'repeat it';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER action_chains_check AFTER INSERT OR UPDATE ON action_chains
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id_was_given) EXECUTE FUNCTION action_chains_check();

CREATE FUNCTION agent_actions_delete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM action_purges
        WHERE chain = coalesce(OLD.session_id, OLD.task_id, '') AND through_position >= OLD.chain_position
            AND xid = pg_current_xact_id())
    THEN
        RAISE EXCEPTION 'agent_actions is append-only: DELETE is refused'
            USING ERRCODE = 'AT005', HINT = 'purge_actions(chain, before, reason, by) removes old actions and says so';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER agent_actions_delete BEFORE DELETE ON agent_actions
    FOR EACH ROW EXECUTE FUNCTION agent_actions_delete();

-- Removes the beginning of a chain up to the first action that is not older than `before`; says how many are gone.
CREATE FUNCTION purge_actions(chain_name text, before timestamptz, why text, who text) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    last_purged agent_actions;
    gone bigint;
BEGIN
    -- Nobody appends meanwhile.
    PERFORM FROM action_chains WHERE chain = chain_name FOR UPDATE;
    SELECT * INTO last_purged FROM agent_actions a
        WHERE coalesce(session_id, task_id, '') = chain_name
            AND chain_position < coalesce((
                SELECT min(chain_position) FROM agent_actions
                WHERE coalesce(session_id, task_id, '') = chain_name AND executed_at >= before), 9223372036854775807)
        ORDER BY chain_position DESC LIMIT 1;
    IF last_purged.action_id IS NULL THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO gone FROM agent_actions
        WHERE coalesce(session_id, task_id, '') = chain_name AND chain_position <= last_purged.chain_position;
    INSERT INTO action_purges (chain, through_position, through_hash, removed, reason, purged_by)
        VALUES (chain_name, last_purged.chain_position, last_purged.chain_hash, gone, why, who);
    DELETE FROM agent_actions
        WHERE coalesce(session_id, task_id, '') = chain_name AND chain_position <= last_purged.chain_position;
    RETURN gone;
END
$$;

-- The session on whose behalf this transaction works, where the row itself does not tell.
CREATE FUNCTION acting_session() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('agent_turbo.session', true), '');

---------------------------------------------------------------------------------------------------------- freshness

-- The last change of what a landing context shows, where rows do not carry it themselves.
CREATE TABLE section_changes (
    section text PRIMARY KEY,
    xid     xid8 NOT NULL
);
-- Until when, in seconds since 1970, some process keeps landing contexts in memory and must hear of changes. Without one
-- a change need not be announced, and NOTIFY makes transactions commit one after another. A sequence is seen at once,
-- also by old snapshots; whoever changes something has his transaction id before he looks here, so that a watcher
-- who has just come finds him among the transactions in progress and waits for his end.
CREATE SEQUENCE context_watch MINVALUE 0 START 0;
-- A context is as good as new while everything that changed since is visible in the snapshot that it was read in.
ALTER TABLE agent_context_cache ADD COLUMN snapshot pg_snapshot;

-- Machines, services, documents and removals change seldom: one row tells of them all, and everybody is told.
CREATE FUNCTION section_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO section_changes (section, xid) VALUES (TG_TABLE_NAME, pg_current_xact_id())
        ON CONFLICT (section) DO UPDATE SET xid = EXCLUDED.xid;
    PERFORM pg_notify('agent_turbo_context', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER system_nodes_changed AFTER INSERT OR DELETE ON system_nodes
    FOR EACH ROW EXECUTE FUNCTION section_changed();
-- A machine that only shows that it is there has not changed.
CREATE TRIGGER system_nodes_updated AFTER UPDATE ON system_nodes
    FOR EACH ROW WHEN (
        (OLD.node_name, OLD.node_role, OLD.cpu_model, OLD.cpu_cores_total, OLD.ram_gb, OLD.storage_internal_tb,
         OLD.model_name, OLD.gpu_model)
        IS DISTINCT FROM
        (NEW.node_name, NEW.node_role, NEW.cpu_model, NEW.cpu_cores_total, NEW.ram_gb, NEW.storage_internal_tb,
         NEW.model_name, NEW.gpu_model))
    EXECUTE FUNCTION section_changed();
CREATE TRIGGER services_changed AFTER INSERT OR DELETE ON services FOR EACH ROW EXECUTE FUNCTION section_changed();
CREATE TRIGGER services_updated AFTER UPDATE ON services
    FOR EACH ROW WHEN (
        (OLD.service_name, OLD.node_id, OLD.port, OLD.service_type, OLD.status, OLD.health_url)
        IS DISTINCT FROM
        (NEW.service_name, NEW.node_id, NEW.port, NEW.service_type, NEW.status, NEW.health_url))
    EXECUTE FUNCTION section_changed();
CREATE TRIGGER documents_changed AFTER INSERT OR UPDATE OR DELETE ON documents
    FOR EACH STATEMENT EXECUTE FUNCTION section_changed();
CREATE TRIGGER system_nodes_truncated AFTER TRUNCATE ON system_nodes EXECUTE FUNCTION section_changed();
CREATE TRIGGER services_truncated AFTER TRUNCATE ON services EXECUTE FUNCTION section_changed();
CREATE TRIGGER documents_truncated AFTER TRUNCATE ON documents EXECUTE FUNCTION section_changed();
CREATE INDEX documents_recent ON documents (project, updated_at DESC);

----------------------------------------------------------------------------------------------------------- sessions

-- Programs that name every column may leave some of them NULL.
CREATE FUNCTION agent_sessions_complete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.project := coalesce(NEW.project, 'default');
    NEW.status := coalesce(NEW.status, 'active');
    NEW.created_at := coalesce(NEW.created_at, now());
    NEW.last_active := coalesce(NEW.last_active, now());
    NEW.tokens_used := coalesce(NEW.tokens_used, 0);
    NEW.api_calls := coalesce(NEW.api_calls, 0);
    NEW.metadata := coalesce(NEW.metadata, '{}');
    IF TG_OP = 'UPDATE' AND NEW.status IS DISTINCT FROM OLD.status THEN
        NEW.completed_at := CASE WHEN NEW.status IN ('completed', 'failed') THEN coalesce(NEW.completed_at, now()) END;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_sessions_complete BEFORE INSERT OR UPDATE OF status ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_sessions_complete();

CREATE FUNCTION agent_sessions_log() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO agent_actions (session_id, project, action_type, action_description, output_data, success)
        VALUES (
            NEW.session_id, NEW.project,
            CASE WHEN TG_OP = 'INSERT' THEN 'session_started'
                 WHEN NEW.status = 'active' THEN 'session_resumed'
                 ELSE 'session_' || NEW.status END,
            CASE WHEN TG_OP = 'UPDATE' THEN nullif(current_setting('agent_turbo.reason', true), '') END,
            CASE WHEN TG_OP = 'UPDATE' THEN jsonb_build_object('from', OLD.status, 'to', NEW.status) END,
            NEW.status <> 'failed');
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_sessions_started AFTER INSERT ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_sessions_log();
CREATE TRIGGER agent_sessions_changed AFTER UPDATE OF status ON agent_sessions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION agent_sessions_log();
-- Who is there to do a task.
CREATE INDEX agent_sessions_at_work ON agent_sessions (project, agent_role, agent_platform)
    WHERE status IN ('active', 'idle');

-------------------------------------------------------------------------------------------------------------- tasks

ALTER TABLE agent_tasks
    ALTER COLUMN task_id SET DEFAULT 'task_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12),
    -- Edges in task_dependencies whose prerequisite is not completed.
    ADD COLUMN unmet_dependencies integer NOT NULL DEFAULT 0 CHECK (unmet_dependencies >= 0),
    -- Which go at the task this is; retry and revision start the next one, and are the only way out of a final state.
    ADD COLUMN round integer NOT NULL DEFAULT 1 CHECK (round > 0),
    -- Why the task is in the state that it is in, where somebody said so.
    ADD COLUMN status_reason text,
    -- The lease token that the last change of state was made with: it proves the right to make it, and recognises
    -- a repetition.
    ADD COLUMN presented_token uuid,
    ADD COLUMN finished_by text,
    -- Whether anything depended on the task when its state last changed.
    ADD COLUMN has_dependents boolean NOT NULL DEFAULT false,
    ADD COLUMN review text CHECK (review IN ('approved', 'rejected', 'needs_revision')),
    ADD COLUMN review_notes text,
    ADD COLUMN reviewed_by text,
    ADD COLUMN reviewed_at timestamptz,
    -- The transaction that last changed what a landing context shows of this task.
    ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The one definition of a task that may be claimed.
    ADD COLUMN is_ready boolean NOT NULL
        GENERATED ALWAYS AS (status = 'pending' AND unmet_dependencies = 0 AND run_after IS NULL) STORED,
    -- When somebody must look at it next: its time has come, its lease is over, its deadline has passed.
    ADD COLUMN wake_at timestamptz
        GENERATED ALWAYS AS (CASE status WHEN 'pending' THEN least(run_after, deadline) WHEN 'blocked' THEN deadline
                                         WHEN 'in_progress' THEN lease_expires_at END) STORED,
    ADD CONSTRAINT agent_tasks_only_running_ones_are_leased CHECK (status = 'in_progress' OR lease_token IS NULL),
    ADD CONSTRAINT agent_tasks_approved_by_somebody_else
        CHECK (review IS DISTINCT FROM 'approved' OR finished_by IS NULL OR reviewed_by IS DISTINCT FROM finished_by);

-- Claimed tasks leave dead entries at the head of the queue's index, over which every claim steps until they are gone.
ALTER TABLE agent_tasks SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01);

DROP INDEX agent_tasks_ready;
DROP INDEX agent_tasks_leases;
-- The order in which tasks are claimed, a lane for each role and platform ('' is any): most urgent first, then oldest.
CREATE INDEX agent_tasks_ready ON agent_tasks
    (project, coalesce(assigned_to_role, ''), coalesce(assigned_to_platform, ''), task_priority DESC, created_at, id)
    WHERE is_ready;
CREATE INDEX agent_tasks_wake ON agent_tasks (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX agent_tasks_held ON agent_tasks (lease_session_id) WHERE status = 'in_progress';
CREATE INDEX agent_tasks_changed ON agent_tasks (project, changed_xid);
CREATE INDEX agent_tasks_trouble ON agent_tasks (project, status, updated_at DESC)
    WHERE status IN ('blocked', 'failed', 'cancelled');

-- Until when, in seconds since 1970, some program waits for a task; without one nobody is told, as NOTIFY makes
-- transactions commit one after another. Who begins to wait while a task is being committed finds it by looking again.
CREATE SEQUENCE ready_watch MINVALUE 0 START 0;

-- Waiting programs are told where a task became ready: project and role.
CREATE FUNCTION announce_ready_task() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF pg_sequence_last_value('ready_watch') >= extract(epoch FROM clock_timestamp()) THEN
        PERFORM pg_notify('agent_turbo_tasks',
            json_build_array(left(NEW.project, 1000), left(coalesce(NEW.assigned_to_role, ''), 1000))::text);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_tasks_ready_at_once AFTER INSERT ON agent_tasks
    FOR EACH ROW WHEN (NEW.is_ready) EXECUTE FUNCTION announce_ready_task();
CREATE TRIGGER agent_tasks_became_ready AFTER UPDATE ON agent_tasks
    FOR EACH ROW WHEN (NEW.is_ready AND NOT OLD.is_ready) EXECUTE FUNCTION announce_ready_task();

CREATE FUNCTION agent_tasks_complete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    unknown text[];
BEGIN
    NEW.project := coalesce(NEW.project, 'default');
    NEW.task_type := coalesce(NEW.task_type, 'general');
    NEW.task_priority := coalesce(NEW.task_priority, 5);
    NEW.status := coalesce(NEW.status, 'pending');
    NEW.progress_percentage := coalesce(NEW.progress_percentage, 0);
    NEW.created_at := coalesce(NEW.created_at, now());
    NEW.depends_on_tasks := coalesce(NEW.depends_on_tasks, '{}');
    NEW.unmet_dependencies := 0;
    IF NEW.status = 'in_progress' AND NEW.lease_expires_at IS NULL THEN
        NEW.lease_expires_at := now() + interval '1 day';
    END IF;
    IF NEW.depends_on_tasks <> '{}' THEN
        SELECT array_agg(DISTINCT d) INTO NEW.depends_on_tasks FROM unnest(NEW.depends_on_tasks) d
            WHERE d IS NOT NULL;
        NEW.depends_on_tasks := coalesce(NEW.depends_on_tasks, '{}');
        -- Before anything of the audit trail is locked: whoever completes a prerequisite locks in this order, too.
        PERFORM FROM agent_tasks WHERE task_id = ANY (NEW.depends_on_tasks) ORDER BY task_id FOR SHARE;
        SELECT array_agg(d ORDER BY d) INTO unknown FROM unnest(NEW.depends_on_tasks) d
            WHERE NOT EXISTS (SELECT FROM agent_tasks WHERE task_id = d);
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION 'task % depends on unknown tasks: %', NEW.task_id, array_to_string(unknown, ', ')
                USING ERRCODE = 'AT001', DETAIL = array_to_string(unknown, ', ');
        END IF;
    END IF;
    NEW.changed_xid := pg_current_xact_id();
    IF pg_sequence_last_value('context_watch') >= extract(epoch FROM clock_timestamp()) THEN
        PERFORM pg_notify('agent_turbo_context', left(NEW.project, 1000));
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_tasks_complete BEFORE INSERT ON agent_tasks
    FOR EACH ROW EXECUTE FUNCTION agent_tasks_complete();

-- The state machine. What it forbids, it forbids to everybody; what a statement leaves out, it completes. It runs with
-- the row locked.
CREATE FUNCTION agent_tasks_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    was_final boolean := OLD.status IN ('completed', 'failed', 'cancelled');
BEGIN
    NEW.updated_at := now();
    -- Before anybody is asked whether he watches: see context_watch.
    NEW.changed_xid := pg_current_xact_id();
    IF NEW.status = OLD.status THEN
        IF NEW.round <> OLD.round THEN
            RAISE EXCEPTION 'task % stays %: another round starts as pending', OLD.task_id, OLD.status
                USING ERRCODE = 'AT003';
        ELSIF NEW.lease_token IS DISTINCT FROM OLD.lease_token THEN
            RAISE EXCEPTION 'task % stays %: a lease comes and goes with the state', OLD.task_id, OLD.status
                USING ERRCODE = 'AT006';
        ELSIF was_final AND NEW.output_data IS DISTINCT FROM OLD.output_data AND OLD.output_data IS NOT NULL THEN
            -- An executor's result is kept: what comes later is written down beside it.
            INSERT INTO agent_actions (session_id, task_id, project, action_type, action_description, output_data)
                VALUES (coalesce(acting_session(), NEW.session_id), NEW.task_id, NEW.project, 'task_output_kept',
                    'a later output was not put in the place of the first one', NEW.output_data);
            NEW.output_data := OLD.output_data;
        ELSIF NEW.status = 'in_progress' AND NEW.lease_token IS NULL THEN
            NEW.lease_expires_at := greatest(NEW.lease_expires_at, now() + interval '1 day');
        END IF;
        IF NEW.review IS DISTINCT FROM OLD.review AND NEW.review IS NOT NULL THEN
            INSERT INTO agent_actions (session_id, task_id, project, action_type, action_description)
                VALUES (coalesce(acting_session(), NEW.reviewed_by, NEW.session_id), NEW.task_id, NEW.project,
                    'task_' || NEW.review, NEW.review_notes);
        END IF;
    ELSE
        IF was_final THEN
            IF NEW.status <> 'pending' OR NEW.round <> OLD.round + 1 THEN
                RAISE EXCEPTION 'task % is %, which is final', OLD.task_id, OLD.status
                    USING ERRCODE = 'AT003', HINT = 'retry or revise it';
            END IF;
        ELSIF NEW.round <> OLD.round THEN
            RAISE EXCEPTION 'task % is %: only a finished task starts another round', OLD.task_id, OLD.status
                USING ERRCODE = 'AT003';
        ELSIF OLD.lease_expires_at > now() AND OLD.lease_token IS DISTINCT FROM NEW.presented_token
            AND OLD.lease_token IS NOT NULL AND NEW.status <> 'cancelled'
        THEN
            -- Cancelling is anybody's right: the worker learns it at its next heartbeat.
            RAISE EXCEPTION 'task % is leased to % until %', OLD.task_id, coalesce(OLD.lease_session_id, 'somebody'),
                OLD.lease_expires_at USING ERRCODE = 'AT004';
        END IF;
        IF NEW.presented_token = OLD.presented_token THEN
            NEW.presented_token := NULL;
        END IF;
        IF NEW.status_reason = OLD.status_reason THEN
            NEW.status_reason := NULL;
        END IF;
        IF NEW.status = 'in_progress' THEN
            IF NEW.lease_token IS NULL THEN
                -- Somebody without a lease is given a day to show a sign of life.
                NEW.lease_expires_at := coalesce(NEW.lease_expires_at, now() + interval '1 day');
            ELSIF NOT OLD.is_ready THEN
                RAISE EXCEPTION 'task % is %, waits for % tasks and may not be leased', OLD.task_id, OLD.status,
                    OLD.unmet_dependencies USING ERRCODE = 'AT006';
            END IF;
            NEW.presented_token := NULL;
            NEW.attempts := OLD.attempts + 1;
            -- Not the transaction's time: who saw a prerequisite completed starts after it.
            NEW.started_at := coalesce(nullif(NEW.started_at, OLD.started_at), clock_timestamp());
        ELSE
            NEW.lease_session_id := NULL;
            NEW.lease_token := NULL;
            NEW.lease_expires_at := NULL;
            IF NEW.status = 'pending' THEN
                IF was_final THEN
                    NEW.completed_at := NULL;
                    NEW.finished_by := NULL;
                    NEW.current_step := NULL;
                    NEW.progress_percentage := 0;
                    NEW.max_attempts := greatest(NEW.max_attempts, OLD.attempts + 1);
                END IF;
            ELSIF NEW.status <> 'blocked' THEN
                NEW.finished_by := coalesce(nullif(NEW.finished_by, OLD.finished_by), OLD.lease_session_id);
                NEW.completed_at := coalesce(nullif(NEW.completed_at, OLD.completed_at), clock_timestamp());
                NEW.run_after := NULL;
                -- Nobody adds a dependent now without waiting for this lock.
                NEW.has_dependents := EXISTS (SELECT FROM task_dependencies WHERE depends_on = NEW.task_id);
                IF NEW.status = 'completed' THEN
                    NEW.progress_percentage := 100;
                    NEW.review := NULL;
                    NEW.error_message := nullif(NEW.error_message, OLD.error_message);
                END IF;
            END IF;
        END IF;
        -- Who did it, where the row tells: the one who works now, else who held the task or takes it, else its creator.
        INSERT INTO agent_actions (session_id, task_id, project, action_type, action_description, output_data, success,
                                   error_message, execution_time_ms)
            VALUES (
                coalesce(acting_session(), OLD.lease_session_id, NEW.lease_session_id, NEW.session_id), NEW.task_id,
                NEW.project,
                CASE NEW.status
                    WHEN 'in_progress' THEN 'task_claimed'
                    WHEN 'pending' THEN
                        CASE OLD.status WHEN 'in_progress' THEN 'task_requeued' WHEN 'blocked' THEN 'task_unblocked'
                                        ELSE 'task_reopened' END
                    ELSE 'task_' || NEW.status
                END,
                NEW.status_reason,
                CASE WHEN NEW.status = 'pending' AND OLD.output_data IS NOT NULL
                    -- The next round's result will take its place.
                    THEN jsonb_build_object('from', OLD.status, 'to', NEW.status, 'attempt', NEW.attempts,
                                            'result', OLD.output_data)
                    ELSE jsonb_build_object('from', OLD.status, 'to', NEW.status, 'attempt', NEW.attempts) END,
                NEW.status <> 'failed',
                CASE WHEN NEW.status IN ('failed', 'pending') THEN NEW.error_message END,
                -- A clock may have been set back.
                CASE WHEN OLD.status = 'in_progress'
                     THEN greatest(0, extract(epoch FROM clock_timestamp() - OLD.started_at) * 1000) END);
    END IF;
    IF pg_sequence_last_value('context_watch') >= extract(epoch FROM clock_timestamp()) THEN
        PERFORM pg_notify('agent_turbo_context', left(NEW.project, 1000));
    END IF;
    RETURN NEW;
END
$$;
-- Not for a heartbeat, which sets none of these.
CREATE TRIGGER agent_tasks_guard
    BEFORE UPDATE OF status, lease_token, lease_session_id, output_data, round, unmet_dependencies, run_after, deadline,
        project, task_type, task_description, task_priority, assigned_to_role, assigned_to_platform, review, status_reason,
        error_message
    ON agent_tasks FOR EACH ROW EXECUTE FUNCTION agent_tasks_guard();

CREATE FUNCTION agent_tasks_log() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO agent_actions (session_id, task_id, project, action_type, output_data)
            VALUES (coalesce(acting_session(), NEW.session_id), NEW.task_id, NEW.project, 'task_created',
                jsonb_build_object('to', NEW.status, 'type', NEW.task_type, 'role', NEW.assigned_to_role,
                    'priority', NEW.task_priority));
    ELSE
        INSERT INTO agent_actions (session_id, task_id, project, action_type, output_data)
            VALUES (coalesce(acting_session(), OLD.session_id), OLD.task_id, OLD.project, 'task_deleted',
                jsonb_build_object('from', OLD.status));
    END IF;
    RETURN NULL;
END
$$;

-- A prerequisite that completes, or no longer counts as completed, moves its dependents' counters; one that fails or is
-- cancelled takes those dependents with it that asked for it.
CREATE FUNCTION agent_tasks_tell_dependents() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (OLD.status = 'completed') <> (NEW.status = 'completed') THEN
        UPDATE agent_tasks t
            SET unmet_dependencies = t.unmet_dependencies + CASE NEW.status WHEN 'completed' THEN -1 ELSE 1 END
            FROM (SELECT d.task_id FROM task_dependencies e JOIN agent_tasks d ON d.task_id = e.task_id
                  WHERE e.depends_on = NEW.task_id ORDER BY d.task_id FOR UPDATE OF d) dependent
            WHERE t.task_id = dependent.task_id;
    END IF;
    IF NEW.status IN ('failed', 'cancelled') THEN
        UPDATE agent_tasks t
            SET status = 'failed', error_message = format('its prerequisite %s is %s', NEW.task_id, NEW.status),
                status_reason = format('its prerequisite %s is %s', NEW.task_id, NEW.status)
            FROM (SELECT d.task_id FROM task_dependencies e JOIN agent_tasks d ON d.task_id = e.task_id
                  WHERE e.depends_on = NEW.task_id AND e.on_failure = 'fail' AND d.status IN ('pending', 'blocked')
                  ORDER BY d.task_id FOR UPDATE OF d) dependent
            WHERE t.task_id = dependent.task_id;
    END IF;
    RETURN NULL;
END
$$;

-- Dependencies named in the array become rows: it is what programs of old write.
CREATE FUNCTION agent_tasks_link_dependencies() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM task_dependencies WHERE task_id = NEW.task_id AND depends_on <> ALL (NEW.depends_on_tasks);
    END IF;
    INSERT INTO task_dependencies (task_id, depends_on)
        SELECT NEW.task_id, d FROM unnest(NEW.depends_on_tasks) d ORDER BY d
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION task_dependencies_check() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    cycle text[];
BEGIN
    -- Whoever completes the prerequisite waits until this edge can be seen, or is waited for.
    PERFORM FROM agent_tasks WHERE task_id = NEW.depends_on FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'task % depends on unknown tasks: %', NEW.task_id, NEW.depends_on
            USING ERRCODE = 'AT001', DETAIL = NEW.depends_on;
    END IF;
    -- A task that nothing depends on closes no cycle, which spares new tasks the search.
    IF NEW.task_id = NEW.depends_on OR EXISTS (SELECT FROM task_dependencies WHERE depends_on = NEW.task_id) THEN
        WITH RECURSIVE above (task_id, path) AS (
            SELECT NEW.depends_on, ARRAY[NEW.task_id, NEW.depends_on]
            UNION ALL
            SELECT e.depends_on, a.path || e.depends_on FROM above a JOIN task_dependencies e ON e.task_id = a.task_id
            WHERE a.task_id <> NEW.task_id
        ) CYCLE task_id SET is_cycle USING visited
        SELECT path INTO cycle FROM above WHERE task_id = NEW.task_id LIMIT 1;
        IF cycle IS NOT NULL THEN
            RAISE EXCEPTION 'dependencies form a cycle: %', array_to_string(cycle, ' → ')
                USING ERRCODE = 'AT002', DETAIL = array_to_string(cycle, ' → ');
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER task_dependencies_check BEFORE INSERT ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION task_dependencies_check();

-- Keeps the counter and the array of a task in step with its rows here.
CREATE FUNCTION task_dependencies_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE agent_tasks t
            SET unmet_dependencies = t.unmet_dependencies
                    + (SELECT count(*) FROM agent_tasks p WHERE p.task_id = NEW.depends_on AND p.status <> 'completed'),
                depends_on_tasks = CASE WHEN NEW.depends_on = ANY (t.depends_on_tasks) THEN t.depends_on_tasks
                                        ELSE t.depends_on_tasks || NEW.depends_on END
            WHERE t.task_id = NEW.task_id;
    ELSE
        -- The prerequisite may be gone and its status with it, so what is left is counted anew; locked first, so that
        -- the count sees whoever moved the counter before.
        PERFORM FROM agent_tasks WHERE task_id = OLD.task_id FOR UPDATE;
        UPDATE agent_tasks t
            SET unmet_dependencies = (
                    SELECT count(*) FROM task_dependencies e JOIN agent_tasks p ON p.task_id = e.depends_on
                    WHERE e.task_id = t.task_id AND p.status <> 'completed'),
                depends_on_tasks = array_remove(t.depends_on_tasks, OLD.depends_on)
            WHERE t.task_id = OLD.task_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_dependencies_count AFTER INSERT OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION task_dependencies_count();

-- A dependent that is to fail with its prerequisite may learn so when that has failed already.
CREATE FUNCTION task_dependencies_fail() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    prerequisite agent_tasks;
BEGIN
    SELECT * INTO prerequisite FROM agent_tasks WHERE task_id = NEW.depends_on FOR SHARE;
    IF prerequisite.status IN ('failed', 'cancelled') THEN
        UPDATE agent_tasks
            SET status = 'failed',
                error_message = format('its prerequisite %s is %s', prerequisite.task_id, prerequisite.status),
                status_reason = format('its prerequisite %s is %s', prerequisite.task_id, prerequisite.status)
            WHERE task_id = NEW.task_id AND status IN ('pending', 'blocked');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_dependencies_fail AFTER INSERT OR UPDATE OF on_failure ON task_dependencies
    FOR EACH ROW WHEN (NEW.on_failure = 'fail') EXECUTE FUNCTION task_dependencies_fail();
CREATE TRIGGER task_dependencies_keep_their_ends BEFORE UPDATE OF task_id, depends_on ON task_dependencies
    FOR EACH ROW WHEN ((OLD.task_id, OLD.depends_on) IS DISTINCT FROM (NEW.task_id, NEW.depends_on))
    EXECUTE FUNCTION refuse_change();

CREATE TRIGGER agent_tasks_log AFTER INSERT OR DELETE ON agent_tasks
    FOR EACH ROW EXECUTE FUNCTION agent_tasks_log();
CREATE TRIGGER agent_tasks_tell_dependents AFTER UPDATE OF status ON agent_tasks
    FOR EACH ROW WHEN (
        OLD.status IS DISTINCT FROM NEW.status AND NEW.has_dependents
        AND (NEW.status IN ('completed', 'failed', 'cancelled') OR OLD.status = 'completed'))
    EXECUTE FUNCTION agent_tasks_tell_dependents();
CREATE TRIGGER agent_tasks_link_new AFTER INSERT ON agent_tasks
    FOR EACH ROW WHEN (NEW.depends_on_tasks <> '{}') EXECUTE FUNCTION agent_tasks_link_dependencies();
-- Not when the change comes from task_dependencies itself.
CREATE TRIGGER agent_tasks_link_changed AFTER UPDATE OF depends_on_tasks ON agent_tasks
    FOR EACH ROW WHEN (OLD.depends_on_tasks IS DISTINCT FROM NEW.depends_on_tasks AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION agent_tasks_link_dependencies();
CREATE TRIGGER agent_tasks_removed AFTER DELETE ON agent_tasks EXECUTE FUNCTION section_changed();
CREATE TRIGGER agent_tasks_truncated AFTER TRUNCATE ON agent_tasks EXECUTE FUNCTION section_changed();
-- The project that it leaves has nothing else to tell of it.
CREATE TRIGGER agent_tasks_moved AFTER UPDATE OF project ON agent_tasks
    FOR EACH ROW WHEN (OLD.project IS DISTINCT FROM NEW.project) EXECUTE FUNCTION section_changed();

-- Rows that are there already: their dependencies become rows, their times are kept.
INSERT INTO task_dependencies (task_id, depends_on)
    SELECT t.task_id, d FROM agent_tasks t, unnest(t.depends_on_tasks) d
    WHERE EXISTS (SELECT FROM agent_tasks p WHERE p.task_id = d)
    ON CONFLICT DO NOTHING;
UPDATE agent_tasks t SET unmet_dependencies = open.edges
    FROM (SELECT e.task_id, count(*) AS edges FROM task_dependencies e JOIN agent_tasks p ON p.task_id = e.depends_on
          WHERE p.status <> 'completed' GROUP BY e.task_id) open
    WHERE open.task_id = t.task_id AND t.unmet_dependencies <> open.edges;
