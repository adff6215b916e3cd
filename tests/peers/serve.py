"""The peer's end of the conversation that `scripts/bench/peer.ts` begins: a line of JSON in, a line of JSON out."""

import json
import sys


def say(answer):
    print(json.dumps(answer), flush=True)


def serve(answer):
    """Answers every question until the input ends."""
    for line in sys.stdin:
        say(answer(**json.loads(line)))
