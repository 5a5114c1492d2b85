"""The parts of `scripts/bench accuracy`: counts of ours and of the peers against labelled clips.

clips        which clips there are, their labels, lines and true crossings
line_choice  how lines are laid over a clip from its labels
detections   what a detector sees: cached inference, text files, the labels themselves
degrade      labels made worse on purpose, seeded
ours, peers  the systems; each turns the same detections into crossings
             (peer_types, peer_trackers, peer_rules belong to peers)
tuning       looks for thresholds that favour a peer
compare      every system over every clip and frame rate
rows         results as rows, and their sums
blame        which part of ours an error is due to
report, plot, sheet, timing   what is shown
"""
