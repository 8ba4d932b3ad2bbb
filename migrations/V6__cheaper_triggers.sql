-- The same rules at less cost. Each expression that a trigger evaluates is set up anew in every transaction, and the
-- text of each WHEN is parsed by every statement: the frequent paths have few of both.

-- Puts an action at the end of its chain. The chain's row is locked until the transaction ends, so positions have no
-- gaps and follow the order of commits. Who gives an id and a chain_position of 0 has an INSERT without ON CONFLICT: a
-- known id then fails the statement, and the head's move with it, and need not be looked for.
CREATE OR REPLACE FUNCTION agent_actions_link() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    own_chain text := coalesce(NEW.session_id, NEW.task_id, '');
    may_be_skipped boolean := false;
    digest bytea;
BEGIN
    -- Programs that name every column may leave some of them NULL.
    IF num_nulls(NEW.project, NEW.success, NEW.changed_files, NEW.commands_executed, NEW.executed_at) > 0 THEN
        NEW.project := coalesce(NEW.project, 'default');
        NEW.success := coalesce(NEW.success, true);
        NEW.changed_files := coalesce(NEW.changed_files, '{}');
        NEW.commands_executed := coalesce(NEW.commands_executed, '{}');
        NEW.executed_at := coalesce(NEW.executed_at, now());
    END IF;
    IF NEW.action_id IS NULL THEN
        -- Milliseconds first, so that new ids stand together in the index; the row's number makes them unique.
        NEW.action_id := 'action_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(NEW.id), 20, '0');
    ELSIF NEW.chain_position IS NULL THEN
        -- A known id, which the insert will refuse or skip, must not move the head.
        may_be_skipped := true;
        IF EXISTS (SELECT FROM agent_actions WHERE action_id = NEW.action_id) THEN
            NEW.chain_position := 0;
            NEW.chain_hash := '';
            RETURN NEW;
        END IF;
    END IF;
    digest := action_digest(NEW);
    UPDATE action_chains AS c
        SET length = c.length + 1, head = sha256(c.head || int8send(c.length + 1) || digest), id_was_given = may_be_skipped
        WHERE c.chain = own_chain
        RETURNING c.length, c.head INTO NEW.chain_position, NEW.chain_hash;
    IF NOT FOUND THEN
        -- Two first actions at once: the second waits for the first here, and then follows it.
        INSERT INTO action_chains AS c (chain, length, head, id_was_given)
            VALUES (own_chain, 1, sha256(sha256(convert_to(own_chain, 'UTF8')) || int8send(1) || digest), may_be_skipped)
            ON CONFLICT (chain) DO UPDATE
            SET length = c.length + 1, head = sha256(c.head || int8send(c.length + 1) || digest), id_was_given = may_be_skipped
            RETURNING c.length, c.head INTO NEW.chain_position, NEW.chain_hash;
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION agent_tasks_complete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    unknown text[];
BEGIN
    IF num_nulls(NEW.project, NEW.task_type, NEW.task_priority, NEW.status, NEW.progress_percentage, NEW.created_at,
                 NEW.depends_on_tasks) > 0
    THEN
        NEW.project := coalesce(NEW.project, 'default');
        NEW.task_type := coalesce(NEW.task_type, 'general');
        NEW.task_priority := coalesce(NEW.task_priority, 5);
        NEW.status := coalesce(NEW.status, 'pending');
        NEW.progress_percentage := coalesce(NEW.progress_percentage, 0);
        NEW.created_at := coalesce(NEW.created_at, now());
        NEW.depends_on_tasks := coalesce(NEW.depends_on_tasks, '{}');
    END IF;
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

CREATE OR REPLACE FUNCTION agent_sessions_complete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF num_nulls(NEW.project, NEW.status, NEW.created_at, NEW.last_active, NEW.tokens_used, NEW.api_calls,
                 NEW.metadata) > 0
    THEN
        NEW.project := coalesce(NEW.project, 'default');
        NEW.status := coalesce(NEW.status, 'active');
        NEW.created_at := coalesce(NEW.created_at, now());
        NEW.last_active := coalesce(NEW.last_active, now());
        NEW.tokens_used := coalesce(NEW.tokens_used, 0);
        NEW.api_calls := coalesce(NEW.api_calls, 0);
        NEW.metadata := coalesce(NEW.metadata, '{}');
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status IS DISTINCT FROM OLD.status THEN
        NEW.completed_at := CASE WHEN NEW.status IN ('completed', 'failed') THEN coalesce(NEW.completed_at, now()) END;
    END IF;
    RETURN NEW;
END
$$;
-- The state machine. What it forbids, it forbids to everybody; what a statement leaves out, it completes. It runs with
-- the row locked. Claims and completions, which are most of what happens, come first; all else is decided below them.
CREATE OR REPLACE FUNCTION agent_tasks_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    was_final boolean;
BEGIN
    NEW.updated_at := now();
    -- Before anybody is asked whether he watches: see context_watch.
    NEW.changed_xid := pg_current_xact_id();
    IF OLD.is_ready AND NEW.status = 'in_progress' AND NEW.lease_token IS NOT NULL AND NEW.round = OLD.round THEN
        -- A ready task is claimed.
        NEW.presented_token := NULL;
        NEW.status_reason := nullif(NEW.status_reason, OLD.status_reason);
        NEW.attempts := OLD.attempts + 1;
        NEW.started_at := coalesce(nullif(NEW.started_at, OLD.started_at), clock_timestamp());
        INSERT INTO agent_actions (session_id, task_id, project, action_type, action_description, output_data)
            VALUES (coalesce(acting_session(), NEW.lease_session_id, NEW.session_id), NEW.task_id, NEW.project,
                'task_claimed', NEW.status_reason,
                jsonb_build_object('from', OLD.status, 'to', NEW.status, 'attempt', NEW.attempts));
    ELSIF OLD.lease_token = NEW.presented_token AND NEW.status = 'completed' AND NEW.round = OLD.round
        AND num_nonnulls(NEW.run_after, NEW.review, NEW.error_message) = 0
    THEN
        -- Who holds it has done it.
        NEW.status_reason := nullif(NEW.status_reason, OLD.status_reason);
        NEW.lease_session_id := NULL;
        NEW.lease_token := NULL;
        NEW.lease_expires_at := NULL;
        NEW.finished_by := coalesce(nullif(NEW.finished_by, OLD.finished_by), OLD.lease_session_id);
        NEW.completed_at := coalesce(nullif(NEW.completed_at, OLD.completed_at), clock_timestamp());
        NEW.progress_percentage := 100;
        -- Nobody adds a dependent now without waiting for this lock.
        NEW.has_dependents := EXISTS (SELECT FROM task_dependencies WHERE depends_on = NEW.task_id);
        INSERT INTO agent_actions (session_id, task_id, project, action_type, action_description, output_data,
                                   execution_time_ms)
            VALUES (coalesce(acting_session(), OLD.lease_session_id, NEW.session_id), NEW.task_id, NEW.project,
                'task_completed', NEW.status_reason,
                jsonb_build_object('from', OLD.status, 'to', NEW.status, 'attempt', NEW.attempts),
                -- A clock may have been set back.
                greatest(0, extract(epoch FROM clock_timestamp() - OLD.started_at) * 1000));
    ELSIF NEW.status = OLD.status THEN
        was_final := OLD.status IN ('completed', 'failed', 'cancelled');
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
        was_final := OLD.status IN ('completed', 'failed', 'cancelled');
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
    IF NEW.status = 'pending' AND NEW.unmet_dependencies = 0 AND NEW.run_after IS NULL AND NOT OLD.is_ready
        AND pg_sequence_last_value('ready_watch') >= extract(epoch FROM clock_timestamp())
    THEN
        PERFORM pg_notify('agent_turbo_tasks',
            json_build_array(left(NEW.project, 1000), left(coalesce(NEW.assigned_to_role, ''), 1000))::text);
    END IF;
    IF pg_sequence_last_value('context_watch') >= extract(epoch FROM clock_timestamp()) THEN
        PERFORM pg_notify('agent_turbo_context', left(NEW.project, 1000));
    END IF;
    RETURN NEW;
END
$$;
-- The guard tells who waits; it is called for every column that readiness is made of.
DROP TRIGGER agent_tasks_became_ready ON agent_tasks;

-- The function knows by itself when dependents have something to learn.
DROP TRIGGER agent_tasks_tell_dependents ON agent_tasks;
CREATE TRIGGER agent_tasks_tell_dependents AFTER UPDATE OF status ON agent_tasks
    FOR EACH ROW WHEN (NEW.has_dependents AND OLD.status <> NEW.status)
    EXECUTE FUNCTION agent_tasks_tell_dependents();
