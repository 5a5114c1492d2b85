"""An anonymous people counter for public lobbies.

    camera ▶ detect ▶ track ▶ count ▶ aggregate ▶ outbox ┊ ▶ deliver ▶ MQTT
    Frame   Detections Track  Crossing  Bucket    Message         commit ack
                             Occupancy

Each box is a file of that name; `zones` stands beside `counting`. A stage knows
`vocabulary` (and `geometry`) and nothing of its neighbours; `pipeline` joins the boxes
left of the dotted line, `delivery` the ones right of it, `app` builds both from the config.
"""

__version__ = "0.1.0"
