use anyhow::{Result, ensure};
use tokio_postgres::Client;

/// Each task's own trail: made, then claimed and given back any number of times, then done or failed, once and for good.
pub(super) async fn legal(admin: &Client) -> Result<String> {
    let row = admin
        .query_one(
            "WITH step AS (
                 SELECT task_id, action_type, lag(action_type) OVER task AS before,
                        lead(action_type) OVER task IS NULL AS is_last
                 FROM agent_actions WHERE task_id IS NOT NULL AND action_type LIKE 'task\\_%'
                 WINDOW task AS (PARTITION BY task_id ORDER BY id)
             ), trail AS (
                 SELECT task_id,
                        bool_and(CASE action_type
                            WHEN 'task_created' THEN before IS NULL
                            WHEN 'task_claimed' THEN before IN ('task_created', 'task_requeued')
                            WHEN 'task_requeued' THEN before = 'task_claimed'
                            WHEN 'task_completed' THEN before = 'task_claimed' AND is_last
                            WHEN 'task_failed' THEN before = 'task_claimed' AND is_last
                            ELSE false END) AS is_legal,
                        count(*) FILTER (WHERE action_type = 'task_completed') AS completions,
                        count(*) FILTER (WHERE action_type = 'task_failed') AS failures
                 FROM step GROUP BY task_id
             ), judged AS (
                 SELECT t.task_id, t.status,
                        coalesce(is_legal, false)
                        AND (completions, failures) IN ((1, 0), (0, 1))
                        AND t.status = CASE completions WHEN 1 THEN 'completed' ELSE 'failed' END
                        AND t.round = 1 AND t.lease_token IS NULL
                        AND (t.status <> 'completed' OR t.project <> 'soak' OR t.output_data ->> 'by' = t.task_id)
                            AS is_right
                 FROM agent_tasks t LEFT JOIN trail USING (task_id)
             )
             SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
                    count(*) FILTER (WHERE status = 'failed') AS failed,
                    count(*) FILTER (WHERE NOT is_right) AS wrong,
                    min(task_id) FILTER (WHERE NOT is_right) AS example
             FROM judged",
            &[],
        )
        .await?;
    let (completed, failed, wrong): (i64, i64, i64) =
        (row.get("completed"), row.get("failed"), row.get("wrong"));
    let example: Option<String> = row.get("example");
    ensure!(
        wrong == 0,
        "{wrong} tasks have a history that may not be, such as {}",
        example.unwrap_or_default()
    );
    ensure!(completed > 0, "no task was completed");
    Ok(format!("{completed} completed, {failed} failed"))
}

pub(super) async fn in_order(admin: &Client) -> Result<String> {
    let row = admin
        .query_one(
            "SELECT count(*) AS edges,
                    count(*) FILTER (WHERE d.started_at < p.completed_at OR p.status <> 'completed') AS wrong,
                    (SELECT count(*) FROM agent_tasks WHERE unmet_dependencies <> 0) AS miscounted
             FROM task_dependencies e
             JOIN agent_tasks p ON p.task_id = e.depends_on JOIN agent_tasks d ON d.task_id = e.task_id",
            &[],
        )
        .await?;
    let (edges, wrong, miscounted): (i64, i64, i64) =
        (row.get("edges"), row.get("wrong"), row.get("miscounted"));
    ensure!(wrong == 0, "{wrong} of {edges} tasks were begun before their prerequisites were done");
    ensure!(miscounted == 0, "{miscounted} finished tasks count prerequisites that they wait for");
    ensure!(edges > 0, "no task had a prerequisite");
    Ok(format!("{edges} dependencies"))
}
