"""Reads an organization's credits with the published Python client, and prints what it has understood as JSON.

client.py BASE_URL API_KEY
"""

import json
import sys

from spekoai import Speko

base_url, api_key = sys.argv[1:]
with Speko(api_key=api_key, base_url=base_url) as speko:
    balance = speko.credits.get_balance()
    entries, cursor = [], None
    while True:
        # Small pages, so that there are several.
        page = speko.credits.get_ledger(limit=2, cursor=cursor)
        entries += page.entries
        cursor = page.next_cursor
        if cursor is None:
            break

print(
    json.dumps(
        {
            "balanceUsd": balance.balance_usd,
            "updatedAt": str(balance.updated_at),
            "entries": [[entry.kind, int(entry.amount_micro_usd)] for entry in entries],
        }
    )
)
