"""The backend's side of the contract: what the counts are for. The device never imports it.

```
MQTT ▶ ingest ▶ store ┊ ▶ ack        SQLite or PostgreSQL
       check    commit    only then
```
"""
