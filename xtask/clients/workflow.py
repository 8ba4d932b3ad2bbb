"""A planner, an executor and a validator, each with an MCP connection of its own, work through one small plan.

usage: workflow.py mcp|fastmcp PROJECT (--url URL | PROGRAM ARGUMENT…)
"""

import asyncio
import contextlib
import os
import sys

KIND, PROJECT, *SERVER = sys.argv[1:]


# Over HTTP fastmcp speaks the protocol of 2026-07-28, which knows no connections: who calls is told by each call.
STATELESS = KIND == "fastmcp" and SERVER[0] == "--url"
FOR_A_SESSION = {
    "remember", "create_task", "claim_task", "update_task", "list_tasks", "log_action", "audit_task", "end_session",
}


class Agent:
    """One connection; `call` fails on any error that it did not expect."""

    def __init__(self, call):
        self._call = call
        self._session = None
        self._leases = {}

    async def __call__(self, tool, expect_error=False, **arguments):
        if STATELESS and tool in FOR_A_SESSION:
            arguments["session_id"] = self._session
        if STATELESS and tool == "update_task":
            arguments["lease_token"] = self._leases[arguments["task_id"]]
        data = await self._checked(tool, expect_error, arguments)
        if tool == "start_session":
            self._session = data["session_id"]
        if tool == "claim_task" and data["claimed"]:
            self._leases[data["task_id"]] = data["lease_token"]
        return data

    async def _checked(self, tool, expect_error, arguments):
        is_error, text, data = await self._call(tool, arguments)
        assert is_error == expect_error, f"{tool} {arguments}: {text}"
        assert text, f"{tool} says nothing"
        return data


@contextlib.asynccontextmanager
async def official():
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    if SERVER[0] == "--url":
        transport = streamable_http_client(SERVER[1])
    else:
        transport = stdio_client(
            StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=dict(os.environ))
        )
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()

        async def call(tool, arguments):
            result = await session.call_tool(tool, arguments)
            return bool(result.is_error), result.content[0].text, result.structured_content

        yield Agent(call)


@contextlib.asynccontextmanager
async def fast():
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    if SERVER[0] == "--url":
        transport = SERVER[1]
    else:
        transport = StdioTransport(SERVER[0], SERVER[1:], env=dict(os.environ), keep_alive=False)
    async with Client(transport) as client:

        async def call(tool, arguments):
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return bool(result.is_error), result.content[0].text, result.structured_content

        yield Agent(call)


async def main():
    connect = {"mcp": official, "fastmcp": fast}[KIND]
    async with connect() as planner, connect() as executor, connect() as validator:
        await planner("start_session", role="planner", project=PROJECT)
        await executor("start_session", role="executor", project=PROJECT)
        audits = await validator("start_session", role="validator", project=PROJECT)

        await planner("remember", text=f"{PROJECT}: the cache is an LRU", project=PROJECT, type="decision")
        found = await executor("recall", query="which cache is used?", project=PROJECT)
        assert "LRU" in found["hits"][0]["content"], found

        made = await planner(
            "create_task",
            project=PROJECT,
            tasks=[
                {"key": "design", "description": "Design the cache", "role": "executor", "priority": 8},
                {"key": "build", "description": "Build the cache", "role": "executor", "after": ["design"]},
            ],
        )
        ids = {task["key"]: task["task_id"] for task in made["tasks"]}
        listed = await planner("list_tasks", project=PROJECT, why=True)
        waiting = next(task for task in listed["tasks"] if task["task_id"] == ids["build"])
        assert ids["design"] in waiting["why"], waiting

        # The executor waits; it is given one task after the other.
        for key in ["design", "build"]:
            claimed = await executor("claim_task", wait_seconds=10)
            assert claimed["task_id"] == ids[key], (key, claimed)
            beat = await executor("update_task", task_id=ids[key], action="progress", percent=50, step="at it")
            assert beat["go_on"] is True
            await executor("log_action", type="edit", description=f"{key} done", files=[f"{key}.md"], task_id=ids[key])
            done = await executor("update_task", task_id=ids[key], action="complete", output={"file": f"{key}.md"})
            assert done["status"] == "completed", done
            again = await executor("claim_task")
            assert again["claimed"] is (key == "design"), again
            if key == "design":
                # What came before is handed on with the task, which is given back for the next round.
                assert again["before"] == [{"task_id": ids["design"], "output": {"file": "design.md"}}], again
                await executor("update_task", task_id=ids["build"], action="release")

        # Nobody approves his own work; another session does, and one result is sent back.
        await executor("audit_task", expect_error=True, task_id=ids["design"], verdict="approved")
        to_audit = await validator("list_tasks", to_audit=True, project=PROJECT)
        assert {task["task_id"] for task in to_audit["tasks"]} == set(ids.values()), to_audit
        await validator("audit_task", task_id=ids["design"], verdict="approved")
        back = await validator("audit_task", task_id=ids["build"], verdict="needs_revision", notes="add a test")
        assert back["status"] == "pending", back
        again = await executor("claim_task")
        assert again["review_notes"] == "add a test", again
        await executor("update_task", task_id=ids["build"], action="complete", output={"file": "build.md", "test": True})
        await validator("audit_task", task_id=ids["build"], verdict="approved")

        history = await planner("history", session_id=audits["session_id"])
        trail = [action["type"] for action in history["actions"]]
        assert trail == ["session_started", "task_approved", "task_reopened", "task_approved"], trail
        for agent in (executor, validator, planner):
            ended = await agent("end_session")
            assert ended["status"] == "completed", ended
    print(f"{KIND}: 2 tasks planned, done, audited, one of them twice")


asyncio.run(main())
