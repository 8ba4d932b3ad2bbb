"""Works with the HTTP API through a client that was generated from its OpenAPI document.

usage: api.py URL
"""

import sys

from generated.api.knowledge import add, query
from generated.api.tasks import claim, complete, create, get
from generated.client import Client
from generated.models import Claim, Done, NewKnowledge, Question, TaskToMake

PROJECT = "generated-client"
client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)

added = add.sync(client=client, body=NewKnowledge(content="clients are generated", project=PROJECT))
again = add.sync(client=client, body=NewKnowledge(content="clients are generated", project=PROJECT))
assert (added.outcome, again.outcome) == ("added", "duplicate"), (added, again)

answer = query.sync(client=client, body=Question(text="where do clients come from?", project=PROJECT))
assert answer.results[0].content == "clients are generated", answer

made = create.sync(client=client, body=TaskToMake(description="read it", role="reader", project=PROJECT))
claimed = claim.sync(client=client, body=Claim(role="reader", project=PROJECT)).items[0]
assert claimed.task.task_id == made.task_id, (made, claimed)
complete.sync(made.task_id, client=client, body=Done(token=claimed.lease.token, output={"read": True}))
task = get.sync(made.task_id, client=client)
assert (task.status, task.output_data) == ("completed", {"read": True}), task

missing = get.sync_detailed("task_none", client=client)
assert (missing.status_code, missing.parsed.status) == (404, 404), missing
print("an entry kept and found, a task made, claimed, completed and read")
