"""Turns a detector of ultralytics into an ONNX file that the counter can run.

    weights ▶ network ▶ quantisation ▶ comparison ▶ NAME.onnx, NAME.md, catalog.toml
              torch     onnxruntime    which is kept

It needs the `export` extra and runs in a process of its own, started by
`lobbycount models export`: `edge` never imports it, and so never torch or ultralytics.
"""
