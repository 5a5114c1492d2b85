"""Updates: signed bundles, two slots, a trial that ends in keeping or in going back.

    incoming.lcu ▶ bundle ▶ manifest ▶ slots ▶ trial ▶ report
                   signature first      one step at a time

Pure: files, processes and systemd are behind `edge/adapters`. See docs/adr/0027-updates.md.
"""
