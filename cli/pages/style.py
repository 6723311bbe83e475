"""How the pages look: on a screen by day and by night, and on A4 paper."""

CSS = """
:root { color-scheme: light dark; --ink: #1b2230; --soft: #5a6476; --line: #dfe3ea; --back: #f4f5f8;
  --sheet: #ffffff; --accent: #23508e; --good: #17693c; --good-back: #e2f3e8; --bad: #a3201b;
  --bad-back: #fbe6e4; --open: #7d5300; --open-back: #fcf0d6; --plain-back: #eceff4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa5b8; --line: #333b4a;
  --back: #11151c; --sheet: #1a202a; --accent: #8fb8f2; --good: #7fd6a3; --good-back: #173425;
  --bad: #f59a94; --bad-back: #40201f; --open: #ecc36b; --open-back: #3a2f16;
  --plain-back: #272e3a; } }
* { box-sizing: border-box; }
html { background: var(--back); }
body { margin: 0; color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 52rem; margin: 2.5rem auto; padding: 2.75rem 3.25rem 3rem;
  background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; }
.maker { margin: 0 0 1.1rem; font-size: .74rem; font-weight: 600; letter-spacing: .16em;
  text-transform: uppercase; color: var(--accent); }
h1 { margin: 0 0 .7rem; font-size: 1.72rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { margin: 2.3rem 0 .75rem; padding-bottom: .4rem; font-size: 1.06rem;
  border-bottom: 1px solid var(--line); }
h3 { margin: 1.4rem 0 .4rem; font-size: .95rem; }
p { margin: .5rem 0; }
.lead { margin: 0; font-size: 1.06rem; max-width: 44rem; }
.day { white-space: nowrap; }
.note { color: var(--soft); font-size: .88rem; }
.badge { display: inline-block; padding: .12em .62em; border-radius: 999px; font-size: .74rem;
  font-weight: 600; line-height: 1.6; white-space: nowrap; vertical-align: .12em;
  background: var(--plain-back); color: var(--soft); }
h1 .badge { font-size: .84rem; vertical-align: .28em; }
.badge.good { background: var(--good-back); color: var(--good); }
.badge.bad { background: var(--bad-back); color: var(--bad); }
.badge.open { background: var(--open-back); color: var(--open); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .9rem 2rem;
  margin: 0; }
dl div { min-width: 0; }
dt { font-size: .76rem; color: var(--soft); }
dd { margin: .05rem 0 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th { text-align: left; font-size: .74rem; font-weight: 600; color: var(--soft);
  padding: 0 .9rem .4rem 0; border-bottom: 1px solid var(--line); }
td { padding: .5rem .9rem .5rem 0; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
td:last-child, th:last-child { padding-right: 0; }
.counts td:last-child, .counts th:last-child { text-align: right;
  font-variant-numeric: tabular-nums; }
.probes td:first-child { width: 7.5rem; }
.memories td:first-child { width: 9.5rem; color: var(--soft); font-size: .82rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
ul { margin: .4rem 0; padding-left: 1.2rem; }
li { margin: .25rem 0; }
pre { margin: .6rem 0; padding: .75rem .95rem; border-radius: 6px; background: var(--plain-back);
  font-size: .82rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code, .id { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.id { font-size: .88em; overflow-wrap: anywhere; }
@media (max-width: 40rem) { main { margin: 0; padding: 1.5rem 1.15rem; border: 0;
  border-radius: 0; } }
@page { size: A4; margin: 18mm 17mm; }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --back: #fff;
    --sheet: #fff; --accent: #23508e; --good: #17693c; --good-back: #fff; --bad: #a3201b;
    --bad-back: #fff; --open: #7d5300; --open-back: #fff; --plain-back: #fff; }
  html { font-size: 13px; }
  body { font-size: 1rem; line-height: 1.45; }
  main { max-width: none; margin: 0; padding: 0; border: 0; border-radius: 0; }
  .badge { border: 1px solid currentColor; }
  pre { border: 1px solid var(--line); }
  h2 { margin: 1.2rem 0 .5rem; }
  td { padding-top: .28rem; padding-bottom: .28rem; }
  dl { gap: .5rem 2rem; }
  .lead { max-width: none; }
  h2, h3, thead { break-after: avoid; }
  tr, dl div, pre, li { break-inside: avoid; } }
"""
