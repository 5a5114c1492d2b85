"""The parts of `scripts/bench speed`: the product's pipe beside three others, on the same cores.

clips, made_clips   what is played: the bundled clip, empty lobbies, a 25 fps camera
job                 one system on one clip in a process of its own, and what it answers
worker              that process: threads and cores, then the system
meter, stages       processor time and memory of a process tree; time of each stage
ours, library, ultralytics_track   the systems
networks            the networks of the peers, and the detections given to ultralytics
capacity            many cameras at once, for real
rows, report, machine   medians and spreads, tables, where it was measured
"""
