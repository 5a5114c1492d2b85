"""The setup page: a small web page of the device itself, off by default.

    browser ▶ connection ▶ guard ▶ app ▶ panel, config file, tally
              limits       host,   pages
                           size,   and API
                           origin

It runs in a thread of its own; whatever becomes of it, the counting goes on.
"""
