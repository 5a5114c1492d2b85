"""The web pages of the evaluation, in Chinese and English: what people look at and decide on.

```
records ▶ days ▶ report ▶ drafts ┊ ▶ pages (league, site, buckets, month)   who ▶ reception ▶ all
```
Every page is made on the server: HTML and SVG, no script. A report is not made at a request
but beside it, see `drafts`. What nobody looked at is hatched and never a zero.
"""
