// Draws the sequence in a text file as an SVG beside it, light and dark by the reader's preference.
//
//   node docs/pictures/draw.js docs/pictures/rotation.txt            writes docs/pictures/rotation.svg
//   node docs/pictures/draw.js --check docs/pictures/rotation.txt    fails if that is not what it would write
//
// The picture is committed, as pages show it from the repository.
'use strict';
const fs = require('fs');

const ROW = 34, LEFT = 90, GAP = 205, BAR = 74, TOP = 66, LETTER = 7; // in pixels; letters are narrower

// The lines of the file, as steps in their order.
function read(text) {
  const picture = { title: '', actors: [], bars: [], steps: [] };
  for (const line of text.split('\n')) {
    const found = /^(title|actor|bar|works|ends|part|note)(?: (\w+))?(?:: (.*))?$/.exec(line);
    const arrow = /^(\w+) > (\w+): (.*)$/.exec(line);
    if (line === '' || line.startsWith('#')) continue;
    else if (arrow) picture.steps.push({ kind: 'arrow', from: arrow[1], to: arrow[2], text: arrow[3] });
    else if (!found) throw new Error(`cannot be read: ${line}`);
    else if (found[1] === 'title') picture.title = found[3];
    else if (found[1] === 'actor') picture.actors.push({ id: found[2], text: found[3] });
    else if (found[1] === 'bar') picture.bars.push({ id: found[2], text: found[3] });
    else picture.steps.push({ kind: found[1], id: found[2], text: found[3] });
  }
  return picture;
}

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function draw({ title, actors, bars, steps }) {
  const xOf = (id) => {
    const place = actors.findIndex((actor) => actor.id === id);
    if (place < 0) throw new Error(`there is no actor ${id}`);
    return LEFT + place * GAP;
  };
  const right = LEFT + (actors.length - 1) * GAP + 80;
  const barX = (id) => {
    const place = bars.findIndex((bar) => bar.id === id);
    if (place < 0) throw new Error(`there is no bar ${id}`);
    return right + 45 + place * BAR;
  };
  const width = right + 45 + bars.length * BAR;
  const lines = [], marks = [], began = {}, ended = {};
  const text = (x, y, of, kind, anchor = 'middle') => marks.push(`<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped(of)}</text>`);

  let y = TOP;
  for (const step of steps) {
    if (step.kind === 'works') { began[step.id] = y - 8; continue; }
    y += ROW;
    if (step.kind === 'part') {
      y += 8;
      marks.push(`<rect x="12" y="${y - 19}" width="${right - 12}" height="26" rx="4" class="part"/>`);
      text(24, y - 1, step.text, 'head', 'start');
    } else if (step.kind === 'note') {
      text(24, y - 6, step.text, 'note', 'start');
    } else if (step.kind === 'ends') {
      ended[step.id] = y;
      marks.push(`<line x1="12" y1="${y}" x2="${barX(step.id) + 9}" y2="${y}" class="end"/>`);
      text(24, y - 6, step.text, 'note', 'start');
    } else if (step.from === step.to) {
      const x = xOf(step.from);
      marks.push(`<path d="M${x} ${y - 10} h26 v12 h-20" class="arrow" marker-end="url(#head)"/>`);
      text(x + 36, y, step.text, 'label', 'start');
    } else {
      const from = xOf(step.from), to = xOf(step.to);
      marks.push(`<line x1="${from}" y1="${y}" x2="${to + (to > from ? -3 : 3)}" y2="${y}" class="arrow" marker-end="url(#head)"/>`);
      if (step.text.length * LETTER > Math.abs(to - from) - 16) throw new Error(`longer than its arrow: ${step.text}`);
      text(Math.min(from, to) + 10, y - 6, step.text, 'label', 'start');
    }
  }
  const height = y + 34;
  for (const { id, text: label } of actors) {
    lines.push(`<line x1="${xOf(id)}" y1="${TOP - 22}" x2="${xOf(id)}" y2="${height - 14}" class="life"/>`);
    marks.push(`<rect x="${xOf(id) - 70}" y="14" width="140" height="32" rx="5" class="actor"/>`);
    text(xOf(id), 35, label, 'name');
  }
  for (const { id, text: label } of bars) {
    const end = ended[id] ?? height - 14;
    lines.push(`<rect x="${barX(id) - 9}" y="${began[id]}" width="18" height="${end - began[id]}" rx="3" class="${id}"/>`);
    text(barX(id), 35, label, 'name');
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .name, .head { font-weight: 600 } .note { fill: #59636e }
  .label { paint-order: stroke; stroke: #fff; stroke-width: 5px; stroke-linejoin: round }
  .page { fill: #fff } .actor { fill: #ddf4ff; stroke: #0969da } .part { fill: #f1f3f5 }
  .life { stroke: #d1d9e0; stroke-dasharray: 4 4 } .arrow { stroke: #0969da; stroke-width: 1.5; fill: none } .tip { fill: #0969da }
  .old { fill: #bf8700 } .new { fill: #1a7f37 } .end { stroke: #bf8700; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .label { stroke: #0d1117 }
    .page { fill: #0d1117 } .actor { fill: #0c2d6b; stroke: #4493f8 } .part { fill: #1c2128 }
    .life { stroke: #3d444d } .arrow { stroke: #4493f8 } .tip { fill: #4493f8 }
    .old { fill: #d29922 } .new { fill: #3fb950 } .end { stroke: #d29922 }
  }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>
<rect width="100%" height="100%" class="page"/>
${[...lines, ...marks].join('\n')}
</svg>
`;
}

const check = process.argv[2] === '--check';
const source = process.argv[check ? 3 : 2];
const target = source.replace(/\.txt$/, '.svg');
const svg = draw(read(fs.readFileSync(source, 'utf8')));
if (!check) fs.writeFileSync(target, svg);
else if (!fs.existsSync(target) || fs.readFileSync(target, 'utf8') !== svg) {
  console.error(`${target} is not what ${source} gives: node docs/pictures/draw.js ${source}`);
  process.exitCode = 1;
}
