"""A stand-in for the model behind Claude Code: it calls our tools in a fixed order, with what their answers gave it.

usage: model.py PROJECT

Prints the address of the API that it serves on 127.0.0.1, and one line for each tool result that comes back.
"""

import http.server
import json
import sys

PROJECT = sys.argv[1]
TOOL = "mcp__agent-turbo__"


SEEN = set()


def result_of(message, name):
    """The structured content, or the text, of a tool's result."""
    content = message["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    if message["tool_use_id"] not in SEEN:
        SEEN.add(message["tool_use_id"])
        print(json.dumps({"tool": name, "is_error": bool(message.get("is_error")), "text": text}), flush=True)
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}


def next_call(results):
    """What the model does after these results: a tool and its input, or None when it is done."""
    script = [
        ("start_session", lambda: {"role": "executor", "project": PROJECT}),
        ("remember", lambda: {"text": f"{PROJECT}: deploys happen on Tuesdays", "project": PROJECT}),
        ("recall", lambda: {"query": "when are deploys?", "project": PROJECT}),
        ("create_task", lambda: {"tasks": [{"description": "Deploy it", "role": "executor"}], "project": PROJECT}),
        ("claim_task", lambda: {}),
        ("update_task", lambda: {"task_id": task_id(results[4]), "action": "complete", "output": {"ok": True}}),
        ("log_action", lambda: {"type": "deploy", "description": "deployed", "commands": ["make deploy"]}),
        ("end_session", lambda: {}),
    ]
    if len(results) == len(script):
        return None
    name, arguments = script[len(results)]
    return name, arguments()


def task_id(result):
    words = str(result).replace('"', " ").replace("'", " ").split()
    return next((word for word in words if word.startswith("task_") and word != "task_id:" and len(word) == 17), "none")


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(200, "text/plain", b"")

    def do_GET(self):
        self.answer(404, "application/json", b"{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "count_tokens" in self.path:
            return self.answer(200, "application/json", b'{"input_tokens": 10}')
        offered = {tool["name"] for tool in body.get("tools", [])}
        blocks = [
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        names = {block["id"]: block["name"] for block in blocks if block.get("type") == "tool_use"}
        results = [
            result_of(block, names[block["tool_use_id"]])
            for block in blocks
            if block.get("type") == "tool_result" and names.get(block["tool_use_id"], "").startswith(TOOL)
        ]
        call = next_call(results) if any(name.startswith(TOOL) for name in offered) else None
        if call:
            name, arguments = call
            content = {"type": "tool_use", "id": f"toolu_{len(results):02}", "name": TOOL + name, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
            stop = "tool_use"
        else:
            content = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": "All done."}
            stop = "end_turn"
        usage = {"input_tokens": 10, "output_tokens": 10}
        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": usage,
        }
        if not body.get("stream"):
            whole = {"type": "text", "text": "All done."} if stop == "end_turn" else {**content, "input": arguments}
            message |= {"content": [whole], "stop_reason": stop}
            return self.answer(200, "application/json", json.dumps(message).encode())
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": content},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]
        stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        self.answer(200, "text/event-stream", stream.encode())

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
server.serve_forever()
