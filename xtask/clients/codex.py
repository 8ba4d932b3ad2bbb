"""Asks Codex's app-server what it sees of our server.

usage: codex.py CODEX
"""

import json
import subprocess
import sys

server = subprocess.Popen(
    [sys.argv[1], "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
)


def ask(number, method, parameters):
    print(json.dumps({"id": number, "method": method, "params": parameters}), file=server.stdin, flush=True)
    for line in server.stdout:
        message = json.loads(line)
        if message.get("id") == number:
            assert "result" in message, message
            return message["result"]
    raise SystemExit("Codex's app-server hung up")


try:
    ask(1, "initialize", {"clientInfo": {"name": "proof", "version": "1"}})
    print(json.dumps({"method": "initialized"}), file=server.stdin, flush=True)
    seen = {found["name"]: found for found in ask(2, "mcpServerStatus/list", {})["data"]}
    tools = sorted(seen["agent-turbo"]["tools"])
    assert len(tools) == 12 and "claim_task" in tools, tools
    print(f"{len(tools)} tools")
finally:
    server.kill()
    server.wait()
