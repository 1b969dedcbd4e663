"""The page a report is set in: everything inline, nothing fetched."""

from __future__ import annotations

from typing import Final

MADE_BY: Final = '<meta name="generator" content="genretagd">'
"""By which a report is known as one that may be replaced."""

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{made_by}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --hue: #0b7285;
          --warm: #d9480f; --page: #f5f7f8; }}
  * {{ box-sizing: border-box; }}
  body {{ margin: 0; background: var(--page); color: var(--ink);
         font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
  main {{ max-width: 1060px; margin: 0 auto; padding: 40px 24px 80px; }}
  h1 {{ font-size: 1.75rem; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }}
  h2 {{ font-size: 1.15rem; margin: 0 0 16px; }}
  .scope {{ color: var(--soft); margin: 0 0 24px; }}
  .tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px; }}
  .tile, section {{ background: #fff; border: 1px solid var(--line); border-radius: 10px; }}
  .tile {{ padding: 16px 18px; display: flex; flex-direction: column; }}
  .tile span {{ color: var(--soft); font-size: .85rem; }}
  .tile b {{ font-size: 2rem; line-height: 1.25; color: var(--hue); font-variant-numeric: tabular-nums; }}
  .tile small {{ color: var(--soft); }}
  section {{ margin-top: 20px; padding: 24px; overflow-x: auto; }}
  .notes {{ margin-top: 20px; padding: 8px 24px; border-left: 4px solid var(--warm); background: #fff8f3;
           border-radius: 4px; overflow-wrap: anywhere; }}
  .notes p {{ margin: 8px 0; }}
  img {{ max-width: 100%; height: auto; display: block; }}
  img.wide {{ margin: 0 auto; max-width: none; }}
  .pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr));
          gap: 24px; }}
  figure {{ margin: 0; }}
  figcaption, .caption {{ color: var(--soft); font-size: .88rem; margin: 8px 0 0; }}
  table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
  th {{ text-align: left; font-weight: 600; }}
  tr:first-child th {{ color: var(--soft); font-weight: 500; font-size: .85rem; }}
  th, td {{ padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); }}
  .n {{ text-align: right; padding-right: 24px; }}
  td .bar {{ display: inline-block; position: relative; width: 110px; height: 10px; background: var(--line);
            border-radius: 5px; margin-right: 10px; vertical-align: middle; }}
  .bar i {{ position: absolute; inset: 0 auto 0 0; background: var(--hue); border-radius: 5px; }}
  .bar u {{ position: absolute; top: 4px; height: 2px; background: var(--ink); }}
  .value {{ white-space: nowrap; }}
  .value small {{ color: var(--soft); }}
  .gallery {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 20px 16px; }}
  .gallery img {{ width: 100%; height: 104px; object-fit: fill; border-radius: 6px; }}
  .gallery figcaption {{ color: var(--ink); }}
  .gallery small {{ display: block; color: var(--soft); overflow-wrap: anywhere; }}
  .gallery span {{ color: var(--soft); }}
  .wrong {{ color: var(--warm); }}
  dl {{ margin: 0; display: grid; grid-template-columns: 180px 1fr; gap: 12px 24px;
       overflow-wrap: anywhere; }}
  dt {{ font-weight: 600; }}
  dd {{ margin: 0; }}
  dd p {{ margin: 0 0 8px; }}
  code {{ background: var(--page); padding: 1px 5px; border-radius: 4px; }}
  @media (max-width: 640px) {{
    dl {{ grid-template-columns: 1fr; gap: 4px; }} td .bar {{ display: none; }}
    .value small {{ display: block; }}
  }}
  @media print {{ body {{ background: #fff; }} section {{ break-inside: avoid; }}
    img.wide {{ max-width: 100%; }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
